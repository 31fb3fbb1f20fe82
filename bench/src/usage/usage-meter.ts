/** A usage meter is responsible for the CPU and memory that the processes of a peer, and the driver, use in one run. */
import type { MemoryPoint, Sample } from '../report.js';
import { cpuSeconds, processTrees, resetPeak, residentBytes } from './process-files.js';

/** Process ids by what they are. */
export type ProcessIds = Readonly<Record<string, readonly number[]>>;

/** This process, which submits and reads. */
const DRIVER = 'driver';
/** Where peaks cannot be reset, the most of what is seen so often. */
const LOOK_MS = 50;
/** Between two points of a memory curve. */
const CURVE_MS = 250;

interface Start {
  cpu: number | undefined;
  bytes: number | undefined;
}

export class UsageMeter {
  private readonly roles: Map<string, () => number[]>;
  private readonly starts = new Map<string, Start>();
  /** The most that was seen of those whose peak could not be reset. */
  private readonly seen = new Map<string, number>();
  private readonly curve: MemoryPoint[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly startedAt = performance.now();

  /** Begins to measure. @param options `curve`: memory over time as well */
  constructor(ids: ProcessIds, { curve = false } = {}) {
    this.roles = new Map(Object.entries(ids).map(([role, pids]) => [role, () => processTrees(pids)]));
    // Not with its children, which are the peers.
    this.roles.set(DRIVER, () => [process.pid]);
    for (const [role, pids] of this.roles) this.begin(role, pids());
    if (curve) this.timers.push(setInterval(() => this.addPoint(), CURVE_MS));
  }

  /** @returns what was used since it began; figures that the system does not tell are left out */
  stop(): Pick<Sample, 'cpu_seconds' | 'memory' | 'memory_curve'> {
    for (const timer of this.timers) clearInterval(timer);
    const cpu: Record<string, number> = {};
    const memory: NonNullable<Sample['memory']> = {};
    for (const [role, pids] of this.roles) {
      const start = this.starts.get(role);
      const used = this.cpuOf(role, pids());
      if (used !== undefined && start?.cpu !== undefined) cpu[role] = used - start.cpu;
      const peak = this.seen.get(role) ?? sum(pids(), (pid) => residentBytes(pid, 'VmHWM'));
      if (peak !== undefined && start?.bytes !== undefined) {
        memory[role] = { before_bytes: start.bytes, peak_bytes: peak };
      }
    }
    return {
      cpu_seconds: cpu,
      memory,
      ...(this.curve.length === 0 ? {} : { memory_curve: this.curve }),
    };
  }

  private begin(role: string, pids: readonly number[]): void {
    this.starts.set(role, { cpu: this.cpuOf(role, pids), bytes: resident(pids) });
    if (pids.map(resetPeak).every((isReset) => isReset)) return;
    this.timers.push(
      setInterval(() => {
        const bytes = resident((this.roles.get(role) as () => number[])());
        if (bytes !== undefined) this.seen.set(role, Math.max(bytes, this.seen.get(role) ?? 0));
      }, LOOK_MS),
    );
  }

  private cpuOf(role: string, pids: readonly number[]): number | undefined {
    return role === DRIVER ? driverSeconds() : sum(pids, cpuSeconds);
  }

  private addPoint(): void {
    const found = [...this.roles].map(([role, pids]): [string, number] => [role, resident(pids()) ?? 0]);
    this.curve.push({
      seconds: (performance.now() - this.startedAt) / 1000,
      bytes: Object.fromEntries(found),
    });
  }
}

function resident(pids: readonly number[]): number | undefined {
  return sum(pids, (pid) => residentBytes(pid, 'VmRSS'));
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
