/** What Linux tells of a process in /proc. On other systems there is nothing to read, and figures are left out. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const KIB = 1024;
/** Clock ticks per second, in which CPU times are given. */
const TICKS = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
/** Places in /proc/<pid>/stat after the name of the program: user and system time, own and of children that have ended. */
const TIMES_FROM = 11;
const TIMES = 4;

/** These processes, and all that they have started and theirs, as they are now; each of them once. */
export function processTrees(pids: readonly number[]): number[] {
  const tree = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(tree)];
  return [...new Set(pids.flatMap(tree))];
}

function childrenOf(pid: number): number[] {
  return entries(`/proc/${pid}/task`).flatMap((thread) => {
    const text = read(`/proc/${pid}/task/${thread}/children`)?.trim() ?? '';
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

/** CPU seconds of all threads of a process, and of its children that have ended. */
export function cpuSeconds(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const times = fields.slice(TIMES_FROM, TIMES_FROM + TIMES).map(Number);
  return times.reduce((sum, ticks) => sum + ticks, 0) / TICKS;
}

/** Resident bytes now (`VmRSS`), or the most since the peak was reset (`VmHWM`). */
export function residentBytes(pid: number, which: 'VmRSS' | 'VmHWM'): number | undefined {
  const found = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(read(`/proc/${pid}/status`) ?? '');
  return found === null ? undefined : Number(found[1]) * KIB;
}

/** Makes the peak of a process what it has now. @returns false where this process may not */
export function resetPeak(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
