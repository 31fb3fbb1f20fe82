/** `npm run chaos`: the real platform under faults, round after round, and whether everything that was promised still holds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRedisServer } from '@millrace/local/redis-server';
import { type ChaosOptions, readOptions, USAGE } from './options.js';
import { reportText } from './report.js';
import { Run } from './run.js';

const say = (line: string) => process.stderr.write(`${line}\n`);

let options: ChaosOptions;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  say(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());
const directory = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
try {
  const { seed, rounds, boundMs, abandonedMs } = options;
  say(`seed ${seed}, ${rounds} rounds`);
  const binary = ensureRedisServer(say);
  const report = await Run.run({
    seed,
    rounds,
    boundMs,
    abandonedMs,
    directory,
    binary,
    signal: stopping.signal,
    say,
  });
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${reportText(report)}\n`);
  process.exitCode = report.violations.length > 0 || stopping.signal.aborted ? 1 : 0;
} catch (error) {
  say(`the chaos run could not go on: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
// Clients of a run that was ended early may still wait.
process.exit();
