/** What the benchmark runs on. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
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
  /** Processes that wanted a core in the minute before: beyond a few tenths, somebody else was busy. */
  load_before: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.versions.node,
    onnxruntime: packageVersion('onnxruntime-node'),
    ...commit(),
    load_before: loadavg()[0] as number,
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
