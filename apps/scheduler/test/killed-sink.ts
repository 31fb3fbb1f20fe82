/** A sink in a process of its own, killed at a step of its work. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

const PROGRAM = new URL('sink-process.mjs', import.meta.url).pathname;

export interface SinkJob {
  connections: Record<string, unknown>;
  sink: Record<string, unknown>;
  rows: number;
  writtenRows?: number;
  partBytes?: number;
}

/**
 * Kills it before a step: `fence:<n>` or `note:<n>`, the n-th time that it comes to it.
 * @returns the rows that it had noted
 */
export async function killSinkBefore(step: string, job: SinkJob): Promise<number> {
  const { lines } = await run({ ...job, stopBefore: step });
  expect(lines.at(-1)).toBe('stopped');
  return notedIn(lines) ?? job.writtenRows ?? 0;
}

/** Lets it come to its end. */
export async function finishSink(job: SinkJob): Promise<void> {
  const { lines, errors } = await run(job);
  expect(lines.at(-1), errors).toBe('written');
}

async function run(job: SinkJob & { stopBefore?: string }): Promise<{ lines: string[]; errors: string }> {
  const argument = JSON.stringify({ writtenRows: 0, ...job });
  const child = spawn(process.execPath, [PROGRAM, argument], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const lines: string[] = [];
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (line === 'stopped') child.kill('SIGKILL');
  });
  await closed;
  return { lines, errors };
}

function notedIn(lines: readonly string[]): number | undefined {
  const noted = lines.filter((line) => line.startsWith('noted ')).at(-1);
  return noted === undefined ? undefined : Number(noted.slice('noted '.length));
}
