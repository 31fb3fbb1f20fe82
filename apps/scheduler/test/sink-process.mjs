/**
 * Writes a sink in a process that can be killed. One argument, JSON: connections, sink, rows, writtenRows, and the step
 * before which it stops for ever, `fence:2` or `note:1`. It prints `noted <rows>`, `stopped` and `written`.
 */
import { Connections } from '../dist/connections/connections.js';
import { writePostgresqlSink } from '../dist/sinks/postgresql.js';
import { writeS3Sink } from '../dist/sinks/s3.js';

const { connections, sink, rows, writtenRows, stopBefore, partBytes } = JSON.parse(process.argv[2]);
const CHUNK_ROWS = 100;

const output = {
  schedule: 'nightly',
  logicalDate: '2026-11-20',
  taskId: 'task-1',
  model: 'recommender@1',
  rows: { total: rows },
  async *text() {
    for (let row = 0; row < rows; row++) yield `${JSON.stringify({ row, prediction: `item ${row}` })}\n`;
  },
  async *rowsFrom(from) {
    for (let first = from; first < rows; first += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows - first);
      yield Array.from({ length: count }, (_, place) => ({
        row: first + place,
        prediction: `"item ${first + place}"`,
      }));
    }
  },
};

const steps = { fence: 0, note: 0 };
async function step(name) {
  steps[name]++;
  if (`${name}:${steps[name]}` !== stopBefore) return;
  process.stdout.write('stopped\n');
  await new Promise(() => setInterval(() => {}, 60_000));
}

const context = {
  signal: new AbortController().signal,
  fence: () => step('fence'),
  writtenRows,
  note: async (noted) => {
    await step('note');
    process.stdout.write(`noted ${noted}\n`);
  },
};

const write = sink.kind === 's3' ? writeS3Sink : writePostgresqlSink;
const opened = new Connections(connections);
await write(sink, { connections: opened, partBytes }, output, context);
await opened.close();
process.stdout.write('written\n');
