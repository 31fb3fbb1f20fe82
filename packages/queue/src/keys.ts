import { createHash } from 'node:crypto';

/**
 * Every key of the platform in Redis. The keys of one task share a hash tag, so that one script may touch them all on a
 * cluster. `TTL` names the lifetime; nothing is written without one.
 */
export class Keys {
  constructor(readonly prefix: string) {}

  /** Hash: the task record with its ledger. TTL: unfinished, then results + record. */
  task = (id: string): string => `${this.tag(id)}:task`;

  /**
   * Hash: chunk index → `state first_row rows`, state being pending, running, done, cancelled or expired; and
   * `examples:<code>` → the first rows with this error; and, of a task that was retried, `retryable:<chunk>` → how many
   * rows before the chunk could be. TTL: as the results.
   */
  chunks = (id: string): string => `${this.tag(id)}:chunks`;

  /**
   * String: the bytes of a chunk as they came. TTL: unfinished; deleted by the commit of the chunk, unless a row of it can
   * be retried: then as the results.
   */
  input = (id: string, chunk: number): string => `${this.inputs(id)}${chunk}`;
  inputs = (id: string): string => `${this.tag(id)}:in:`;

  /** Hash: segment name → bytes of a chunk's result. TTL: unfinished, then results. */
  output = (id: string, chunk: number): string => `${this.outputs(id)}${chunk}`;
  outputs = (id: string): string => `${this.tag(id)}:out:`;

  /**
   * Hash: what has become of a client's idempotency key: `task`, `fingerprint`, and `answered` once the task is accepted.
   * TTL: claim; deleted when the request is refused.
   */
  claim = (client: string, key: string): string => `${this.claimTag(client, key)}:claim`;

  /** String: the task whose upload holds the idempotency key now. TTL: lease, renewed while the upload goes on. */
  lease = (client: string, key: string): string => `${this.claimTag(client, key)}:lease`;

  /** Sorted set: id of a task that has not been seen to have finished → when it was created. TTL: unfinished, renewed by every task. */
  unfinished = (): string => `${this.prefix}:unfinished`;

  /** Sorted set: id of a finished task → when its results expire. TTL: index. */
  results = (): string => `${this.resultsTag}:index`;

  /** Hash: id of a finished task → bytes of its results, and `total`. TTL: index. */
  resultBytes = (): string => `${this.resultsTag}:bytes`;

  /** String: the worker whose turn it is to reap. TTL: reap interval. */
  reaper = (): string => `${this.prefix}:reaper`;

  /** Channel: the id of every task that has finished. */
  finished = (): string => `${this.prefix}:finished`;

  /** Channel: the id of a task of which a chunk was committed. */
  progress = (): string => `${this.prefix}:progress`;

  /** String: the descriptor of a served model version, JSON. TTL: descriptor. */
  model = (key: string): string => `${this.prefix}:model:${key}`;

  /**
   * Hash: key of a row → what a model version predicted for it; the younger generation of the two that are kept. TTL: as the
   * version's manifest says, from the first row on, and not renewed.
   */
  cachedRows = (pin: string): string => `${this.cacheTag(pin)}:current`;

  /** Hash: the older generation. TTL: what was left of it. */
  olderCachedRows = (pin: string): string => `${this.cacheTag(pin)}:previous`;

  /** Set: pins of the model versions of which rows are cached, or were. TTL: index, renewed whenever some are. */
  caches = (): string => `${this.prefix}:caches`;

  /** String: what the aliases of a model stood for when a worker last said so, JSON. TTL: descriptor. */
  aliases = (name: string): string => `${this.prefix}:aliases:${name}`;

  /** Sorted set: model version → when a worker last published it. TTL: descriptor. */
  models = (): string => `${this.prefix}:models`;

  /** String: what one worker process serves, JSON. TTL: heartbeat. */
  worker = (id: string): string => `${this.prefix}:worker:${id}`;

  /** Sorted set: worker id → when it last beat. TTL: worker index. */
  workers = (): string => `${this.prefix}:workers`;

  /**
   * Set: the names of all schedules. TTL: schedule, renewed by whoever ticks, once an hour.
   */
  schedules = (): string => `${this.prefix}:schedules`;

  /**
   * What the keys of one schedule begin with. Behind it: `schedule`, hash, the definition and how far its runs are derived
   * (TTL: the same); `runs`, sorted set, logical date → when it is due (TTL: schedule, renewed by every run); `run:<date>`,
   * hash, the record of a run (TTL: open run, then ended run); `definitions`, hash, digest → definition that runs were made
   * with (TTL: schedule, renewed by every run); `open:<lane>`, sorted sets of the runs that have not ended
   * (TTL: open run); `outbox`, list of alarms that nobody has taken yet, and `deliveries`, list of what became of the
   * others (TTL: ended run).
   */
  scheduleBase = (name: string): string => `${this.prefix}:{schedule-${name}}:`;

  /** String: when the last tick was, in milliseconds since the epoch. TTL: an hour. */
  ticked = (): string => `${this.prefix}:ticked`;

  /** String: that a scheduler process lives. TTL: heartbeat. */
  schedulers = (): string => `${this.prefix}:schedulers`;

  /** Prefix of BullMQ's own keys, with a hash tag. Jobs are removed when done and the event stream is bounded. */
  get queuePrefix(): string {
    return `{${this.prefix}:queue}`;
  }

  /** The same of the queues of ticks, runs and alarms. */
  get scheduleQueuePrefix(): string {
    return `{${this.prefix}:schedule-queue}`;
  }

  /** Whether a key is one of the platform's, BullMQ's among them: others may have names that begin alike. */
  owns(key: string): boolean {
    return (
      this.isQueue(key) || [`${this.prefix}:`, `${this.resultsTag}:`].some((head) => key.startsWith(head))
    );
  }

  /** Whether a key is one of BullMQ's. */
  isQueue(key: string): boolean {
    return [this.queuePrefix, this.scheduleQueuePrefix].some((prefix) => key.startsWith(`${prefix}:`));
  }

  /** The pool whose queue this key describes; undefined for any other key. */
  poolOf(key: string): string | undefined {
    const [prefix, name] = [`${this.queuePrefix}:`, ':meta'];
    return key.startsWith(prefix) && key.endsWith(name) ? key.slice(prefix.length, -name.length) : undefined;
  }

  /** The task whose record this key holds; undefined for any other key. */
  taskOf(key: string): string | undefined {
    const [prefix, name] = [`${this.prefix}:{`, '}:task'];
    return key.startsWith(prefix) && key.endsWith(name) ? key.slice(prefix.length, -name.length) : undefined;
  }

  private get resultsTag(): string {
    return `{${this.prefix}:results}`;
  }

  private tag(id: string): string {
    return `${this.prefix}:{${id}}`;
  }

  private cacheTag(pin: string): string {
    return `${this.prefix}:{cache-${pin.replace(' ', '-')}}`;
  }

  /** A digest, since the key is the client's text of any kind; one tag for both, so that one script may touch them. */
  private claimTag(client: string, key: string): string {
    const digest = createHash('sha256')
      .update(JSON.stringify([client, key]))
      .digest('hex');
    return `${this.prefix}:{key-${digest}}`;
  }
}

/** Lifetimes in milliseconds. */
export interface Lifetimes {
  /** How long an upload is left alone after the API process that receives it has ended or fallen silent. */
  leaseMs: number;
  /** Of a task that does not finish, with its inputs and results. */
  unfinishedMs: number;
  /** Of results, from the end of their task. */
  resultsMs: number;
  /** How long the record outlives the results, so that an expired id is told from an unknown one. */
  recordMs: number;
}

const HOUR = 3_600_000;
export const DEFAULT_LIFETIMES: Lifetimes = {
  leaseMs: 15_000,
  unfinishedMs: 7 * 24 * HOUR,
  resultsMs: 24 * HOUR,
  recordMs: 7 * 24 * HOUR,
};

export interface ClaimLifetimes {
  /** How long a key stays in use after the API process that received its upload has ended or fallen silent. */
  leaseMs: number;
  /** How long a key is remembered at most; it is free earlier when the results of its task have expired. */
  keptMs: number;
}

/** Long enough for a task that finishes as late as it may. */
export const CLAIM_KEPT_MS = DEFAULT_LIFETIMES.unfinishedMs + DEFAULT_LIFETIMES.resultsMs;

/** Of the indexes of results and of caches; longer than either may be kept. */
export const INDEX_MS = 400 * 24 * HOUR;
/** Of a schedule that no scheduler process ticks, and of a run that does not end. */
export const SCHEDULE_MS = 400 * 24 * HOUR;
/** Of the record of a run that has ended, and of the log of its alarms. */
export const RUN_KEPT_MS = 90 * 24 * HOUR;
/** Of a model descriptor no worker publishes any more. */
export const DESCRIPTOR_TTL_MS = 7 * 24 * HOUR;
export const HEARTBEAT_MS = 2_000;
/** A worker that has not beaten for this long counts as gone. */
export const HEARTBEAT_TTL_MS = 10_000;
/** How long the index remembers a worker that is gone. */
export const WORKER_INDEX_MS = HOUR;
