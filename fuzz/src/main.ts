/** `npm run fuzz -- --requests 20000 --seed 7`: sends so many requests to a platform of its own and says what went wrong. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { asCurl } from './call.js';
import { type FuzzReport, fuzz, type Violation } from './fuzz.js';
import { Platform } from './platform.js';

const SHOWN = 20;
const MODELS = fileURLToPath(new URL('../../../../models', import.meta.url));

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    concurrency: { type: 'string', default: '8' },
    models: { type: 'string', default: MODELS },
  },
});

const counts = {
  requests: Number(values.requests),
  seed: Number(values.seed),
  concurrency: Number(values.concurrency),
};
if (!Object.values(counts).every((count) => Number.isSafeInteger(count) && count > 0)) {
  process.stderr.write(
    'Usage: npm run fuzz -- [--requests <n>] [--seed <n>] [--concurrency <n>] [--models <folder>]\n',
  );
  process.exit(2);
}

const platform = await Platform.start(values.models);
try {
  const report = await fuzz(platform, counts);
  process.stdout.write(textOf(report));
  process.exitCode = report.violations.length === 0 ? 0 : 1;
} finally {
  await platform.stop();
}

function textOf({ seed, counts, tasks, violations }: FuzzReport): string {
  const lines = [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, byStatus]) => {
      const statuses = [...byStatus]
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([status, count]) => `${status}×${count}`);
      return `${name.padEnd(38)} ${statuses.join(' ')}`;
    });
  lines.push('', `seed ${seed}: ${tasks} tasks, ${violations.length} violations`);
  for (const violation of violations.slice(0, SHOWN)) lines.push('', ...linesOf(seed, violation));
  return `${lines.join('\n')}\n`;
}

/** The body is left in a file, from which curl takes it. */
function linesOf(seed: number, { problem, call }: Violation): string[] {
  if (call === undefined) return [problem];
  const folder = join(tmpdir(), 'millrace-fuzz-bodies');
  const file = join(folder, `${seed}-${call.index}`);
  mkdirSync(folder, { recursive: true });
  if (call.body !== undefined) writeFileSync(file, call.body);
  return [`request ${call.index}: ${problem}`, `  ${asCurl(file, call)}`];
}
