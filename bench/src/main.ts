/** `npm run bench`: what the platform costs beside the model's own work, and beside others that do the same. */
import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRedisServer } from '@millrace/local/redis-server';
import { runBench } from './bench.js';
import { type BenchOptions, readOptions, USAGE } from './options.js';
import { writeReport } from './report.js';
import { machineText } from './table.js';

const say = (line: string) => process.stderr.write(`${line}\n`);
const print = (text: string) => process.stdout.write(`${text}\n`);

let options: BenchOptions;
try {
  options = readOptions(process.argv.slice(2), new Date());
} catch (error) {
  say(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}

const stopping = new AbortController();
// Every request under way listens to it.
setMaxListeners(0, stopping.signal);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());
const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
try {
  const redis = ensureRedisServer(say);
  const report = await runBench(options, { directory, redis, signal: stopping.signal, say, print });
  writeReport(options.json, report);
  print(machineText(report));
  if (options.quick) print('These figures mean nothing: --quick shows that everything works.');
  for (const { scenario, message } of report.failures) print(`FAILED ${scenario}: ${message}`);
  print(options.json);
  // It may have been broken off while it waited, before there was anything to fail.
  process.exitCode = report.failures.length > 0 || stopping.signal.aborted ? 1 : 0;
} catch (error) {
  say(`the benchmark could not go on: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
// Clients of a run that was broken off may still wait.
process.exit();
