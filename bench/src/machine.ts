/** What the benchmark runs on. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { QUIET_BELOW } from './quiet.js';
import { ROOT } from './root.js';

export interface Machine {
  cpu: string;
  cores: number;
  memory_bytes: number;
  system: string;
  node: string;
  onnxruntime: string;
  /** Of this repository; undefined outside of git. */
  commit?: string;
  /** Whether there are changes that the commit has not. */
  changed?: boolean;
  /** Processes that wanted a core in the minute before. */
  load_before: number;
  /** Whether that was little: otherwise somebody else was busy, and the figures are not to be trusted. */
  quiet: boolean;
}

export function loadNow(): number {
  return loadavg()[0] as number;
}

export function describeMachine(): Machine {
  const load = loadNow();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    system: platform(),
    node: process.versions.node,
    onnxruntime: packageVersion('onnxruntime-node'),
    ...commit(),
    load_before: load,
    quiet: load < QUIET_BELOW,
  };
}

function commit(): Pick<Machine, 'commit' | 'changed'> {
  const head = git('rev-parse', 'HEAD');
  const status = git('status', '--porcelain');
  return head === undefined || status === undefined ? {} : { commit: head, changed: status !== '' };
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Not asked of the package itself, which would load ONNX Runtime into this process. */
export function packageVersion(name: string): string {
  const file = join(ROOT, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
