/**
 * Writes one version after the other to the same file, until it is killed or has written the last. Each is of another
 * length, and says on every line which it is.
 */
import { writeFileSink } from '../dist/sinks/file.js';

const [path, folder, lines, attempt, first, last] = process.argv.slice(2);
const context = {
  signal: new AbortController().signal,
  fence: async () => {},
  writtenRows: 0,
  note: async () => {},
};
const deps = { folders: [folder], attempt: Number(attempt) };

process.send('begun');
for (let version = Number(first); version <= Number(last); version++) {
  const text = `{"row":0,"id":"v${version}","prediction":0}\n`.repeat(Number(lines) + version);
  const output = {
    schedule: 'nightly',
    logicalDate: '2026-11-20',
    taskId: `task-${version}`,
    model: 'iris@1',
    rows: { total: version },
    async *text() {
      // More pieces than one, so that a kill may come between two writes.
      for (let at = 0; at < text.length; at += 300_000) yield text.slice(at, at + 300_000);
    },
  };
  await writeFileSink({ kind: 'file', path }, deps, output, context);
  process.send('written');
}
process.disconnect();
