/**
 * Admission is responsible for taking no more work than there is room for: it refuses a submission before its body is read,
 * and lets an upload under way wait until workers have made room.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchError } from '@millrace/batch/errors';
import { addLoad, type Load } from '@millrace/queue/load';
import { type MemoryUse, shareOf } from '@millrace/queue/memory';

export interface AdmissionLimits {
  /** Of all clients together. */
  all: Load;
  /** Of any one client. */
  client: Load;
  /** How long an upload waits for room, in ms. */
  stallMs: number;
}

/** What it needs to know of Redis. */
export interface Room {
  /** What is in flight, by client. */
  readLoad(): Promise<Map<string, Load>>;
  /** Of its fullest master. */
  memoryUse(): Promise<MemoryUse>;
}

interface Snapshot {
  readAt: number;
  /** How long it took to read. */
  ms: number;
  loads: Map<string, Load>;
  memory: MemoryUse;
}

/** The share of `maxmemory` from which on nothing is taken in. What is left is for results, and for the queue. */
const MEMORY_FULL = 0.85;
/** From this age on a snapshot is renewed, and from the other on it is not used meanwhile. */
const FRESH_MS = 500;
const STALE_MS = 5_000;
/** Reading takes at most one part in so many of the time. */
const READING_SHARE = 10;
/** How often a waiting upload looks again. */
const LOOK_MS = 250;

export class Admission {
  private snapshot: Snapshot | undefined;
  private reading: Promise<Snapshot> | undefined;
  /** What this process has taken in since the last reading of a snapshot began, */
  private added = new Map<string, Load>();
  /** and, while one is being read, what it had taken in before. */
  private counted = new Map<string, Load>();

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly room: Room,
  ) {}

  /** As many of one client may be in flight. */
  get clientRows(): number {
    return this.limits.client.rows;
  }

  /** @throws BatchError `too_much_in_flight` of this client, `overloaded` by all or by what Redis holds */
  async admit(client: string): Promise<void> {
    const refusal = this.refusal(await this.current(), client);
    if (refusal !== undefined) throw refusal;
  }

  /** For what is small, but stays: only what Redis holds keeps it out. @throws BatchError `overloaded` */
  async admitRecord(): Promise<void> {
    const refusal = fullRedis(await this.current());
    if (refusal !== undefined) throw refusal;
  }

  /** Counts what an upload is about to store; resolves when there is room for it. @throws BatchError as `admit`, when that takes too long */
  async makeRoom(client: string, rows: number, bytes: number): Promise<void> {
    const until = performance.now() + this.limits.stallMs;
    let refusal = this.refusal(await this.current(), client);
    while (refusal !== undefined) {
      if (performance.now() > until) throw refusal;
      await sleep(LOOK_MS);
      refusal = this.refusal(await this.current(), client);
    }
    addLoad(this.added, client, rows, bytes);
  }

  private refusal(snapshot: Snapshot, client: string): BatchError | undefined {
    const full = fullRedis(snapshot);
    if (full !== undefined) return full;
    const { loads } = snapshot;
    const own = sumOf([loads.get(client), this.counted.get(client), this.added.get(client)]);
    if (isFull(own, this.limits.client)) {
      return inFlight('too_much_in_flight', 'you have', own, this.limits.client);
    }
    const all = sumOf([...loads.values(), ...this.counted.values(), ...this.added.values()]);
    return isFull(all, this.limits.all)
      ? inFlight('overloaded', 'there are', all, this.limits.all)
      : undefined;
  }

  private async current(): Promise<Snapshot> {
    const { snapshot } = this;
    if (snapshot === undefined) return this.refresh();
    const age = performance.now() - snapshot.readAt;
    if (age > STALE_MS) return this.refresh();
    // Whoever comes next gains by it; a failure is met again when it matters.
    if (age > Math.max(FRESH_MS, snapshot.ms * READING_SHARE)) this.refresh().catch(() => {});
    return snapshot;
  }

  private refresh(): Promise<Snapshot> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async read(): Promise<Snapshot> {
    const startedAt = performance.now();
    for (const [client, { rows, bytes }] of this.added) addLoad(this.counted, client, rows, bytes);
    this.added = new Map();
    const [loads, memory] = await Promise.all([this.room.readLoad(), this.room.memoryUse()]);
    this.counted = new Map();
    const readAt = performance.now();
    this.snapshot = { readAt, ms: readAt - startedAt, loads, memory };
    return this.snapshot;
  }
}

function fullRedis({ memory }: Snapshot): BatchError | undefined {
  const share = shareOf(memory);
  if (share < MEMORY_FULL) return undefined;
  const percent = Math.round(share * 100);
  return new BatchError('overloaded', `Redis is ${percent} % full; nothing is taken in until there is room`);
}

function isFull(load: Load, limit: Load): boolean {
  return load.rows >= limit.rows || load.bytes >= limit.bytes;
}

function sumOf(loads: readonly (Load | undefined)[]): Load {
  const sum = { rows: 0, bytes: 0 };
  for (const load of loads) {
    sum.rows += load?.rows ?? 0;
    sum.bytes += load?.bytes ?? 0;
  }
  return sum;
}

function inFlight(
  code: 'too_much_in_flight' | 'overloaded',
  whose: string,
  { rows, bytes }: Load,
  limit: Load,
): BatchError {
  return new BatchError(
    code,
    `${whose} ${rows} rows (${bytes} bytes) in flight already; send more when some are done`,
    { in_flight_rows: rows, in_flight_bytes: bytes, limit_rows: limit.rows, limit_bytes: limit.bytes },
  );
}
