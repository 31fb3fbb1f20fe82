/** A usage meter is responsible for the CPU and memory that the processes of a peer, and the driver, use in one run. */
import type { MemoryPoint, Sample } from '../report.js';
import { cpuSeconds, processTrees, resetPeak, residentBytes } from './process-files.js';

/** Process ids by what they are. */
export type ProcessIds = Readonly<Record<string, readonly number[]>>;

/** This process, which submits and reads. */
const DRIVER = 'driver';
/** Its memory is without that of the child that rewrites its file: the two have nearly all pages in common. */
const REDIS = 'redis';
/** Where peaks cannot be reset, the most of what is seen so often. */
const LOOK_MS = 50;
/** Between two points of a memory curve. */
const CURVE_MS = 250;

interface Role {
  /** As they are now, with all that they have started. */
  pids(): number[];
  /** Those whose memory counts. */
  memoryPids(): number[];
}

interface Start {
  cpu: number | undefined;
  bytes: number | undefined;
}

export class UsageMeter {
  private readonly roles: Map<string, Role>;
  private readonly starts = new Map<string, Start>();
  /** The most that was seen of those whose peak could not be reset. */
  private readonly seen = new Map<string, number>();
  private readonly curve: MemoryPoint[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly startedAt = performance.now();

  /** Begins to measure. @param options `curve`: memory over time as well */
  constructor(ids: ProcessIds, { curve = false } = {}) {
    this.roles = new Map(Object.entries(ids).map(([role, pids]) => [role, roleOf(role, pids)]));
    // Not with its children, which are the peers.
    const self = () => [process.pid];
    this.roles.set(DRIVER, { pids: self, memoryPids: self });
    for (const [name, role] of this.roles) this.begin(name, role);
    if (curve) this.timers.push(setInterval(() => this.addPoint(), CURVE_MS));
  }

  /** @returns what was used since it began; figures that the system does not tell are left out */
  stop(): Pick<Sample, 'cpu_seconds' | 'memory' | 'memory_curve'> {
    for (const timer of this.timers) clearInterval(timer);
    const cpu: Record<string, number> = {};
    const memory: NonNullable<Sample['memory']> = {};
    for (const [name, role] of this.roles) {
      const start = this.starts.get(name);
      const used = this.cpuOf(name, role);
      if (used !== undefined && start?.cpu !== undefined) cpu[name] = used - start.cpu;
      const peak = this.seen.get(name) ?? sum(role.memoryPids(), (pid) => residentBytes(pid, 'VmHWM'));
      if (peak !== undefined && start?.bytes !== undefined) {
        memory[name] = { before_bytes: start.bytes, peak_bytes: peak };
      }
    }
    return {
      cpu_seconds: cpu,
      memory,
      ...(this.curve.length === 0 ? {} : { memory_curve: this.curve }),
    };
  }

  private begin(name: string, role: Role): void {
    this.starts.set(name, { cpu: this.cpuOf(name, role), bytes: resident(role) });
    if (
      role
        .memoryPids()
        .map(resetPeak)
        .every((isReset) => isReset)
    )
      return;
    this.timers.push(
      setInterval(() => {
        const bytes = resident(role);
        if (bytes !== undefined) this.seen.set(name, Math.max(bytes, this.seen.get(name) ?? 0));
      }, LOOK_MS),
    );
  }

  private cpuOf(name: string, role: Role): number | undefined {
    return name === DRIVER ? driverSeconds() : sum(role.pids(), cpuSeconds);
  }

  private addPoint(): void {
    const found = [...this.roles].map(([name, role]): [string, number] => [name, resident(role) ?? 0]);
    this.curve.push({
      seconds: (performance.now() - this.startedAt) / 1000,
      bytes: Object.fromEntries(found),
    });
  }
}

function roleOf(name: string, ids: readonly number[]): Role {
  const pids = () => processTrees(ids);
  return { pids, memoryPids: name === REDIS ? () => [...ids] : pids };
}

function resident(role: Role): number | undefined {
  return sum(role.memoryPids(), (pid) => residentBytes(pid, 'VmRSS'));
}

/** Undefined when none of them tells. Those that have ended meanwhile count for nothing. */
function sum(pids: readonly number[], of: (pid: number) => number | undefined): number | undefined {
  const found = pids.map(of).filter((each) => each !== undefined);
  return found.length === 0 ? undefined : found.reduce((total, each) => total + each, 0);
}

/** This process's own, to the microsecond; /proc has hundredths of a second. */
function driverSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
