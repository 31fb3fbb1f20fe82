/**
 * The schedule store is responsible for schedules as objects: what they say, who made them, and up to where the dates of
 * each have been dealt with.
 */
import type { Watermark } from '@millrace/schedule/cron-times';
import type { Schedule } from '@millrace/schedule/schedule';
import type { RedisConnection } from '../connection.js';
import { type Keys, SCHEDULE_MS } from '../keys.js';
import { defineScripts, type Script } from '../scripts/define-scripts.js';
import { SCHEDULE_SCRIPTS } from '../scripts/schedule-scripts.js';
import { parseScheduleRecord, type RecordedSchedule } from './run-record.js';

/** Schedules of one platform, beyond which clients make no more. */
export const SCHEDULES_MAX = 1_000;

const TICKED_MS = 3_600_000;

export interface NewSchedule {
  definition: Schedule;
  client: string;
  /** When its file was written, in milliseconds since the epoch; of one that a request makes undefined. */
  fileAt?: number;
}

export type PutReply =
  | 'created'
  | 'replaced'
  | 'same'
  /** There is one of this name that may not be replaced: it is another client's, or was to be new. */
  | 'exists'
  | 'from_file'
  /** It has been changed since it was read. */
  | 'changed'
  /** Its file is older than the one that it comes from. */
  | 'older'
  /** There are as many as there may be. */
  | 'full';

export class ScheduleStore {
  private readonly scripts: Record<keyof typeof SCHEDULE_SCRIPTS, Script>;

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    private readonly now: () => number = Date.now,
  ) {
    this.scripts = defineScripts(redis, SCHEDULE_SCRIPTS);
  }

  /** @param mode `create` refuses when there is one; a revision refuses when it has another by now */
  async put(
    { definition, client, fileAt }: NewSchedule,
    mode: 'create' | 'replace' | number,
  ): Promise<PutReply> {
    const { name, enabled } = definition;
    const now = this.now();
    // It is indexed before it is recorded: the index may name too many, never too few.
    // The operator's files are not kept out by what clients have made.
    const namesMax = fileAt === undefined ? SCHEDULES_MAX : Number.MAX_SAFE_INTEGER;
    if (!(await this.index(name, namesMax))) return 'full';
    const reply = await this.scripts.putSchedule(
      this.key(name),
      now,
      writeWatermark({ at: now }),
      JSON.stringify(definition),
      client,
      fileAt === undefined ? 'api' : 'file',
      fileAt ?? 0,
      enabled ? 1 : 0,
      `${definition.cron} ${definition.timezone}`,
      mode,
    );
    // Somebody may have forgotten the name meanwhile, not having found its record.
    await this.index(name, Number.MAX_SAFE_INTEGER);
    return reply as PutReply;
  }

  async read(name: string): Promise<RecordedSchedule | undefined> {
    const hash = await this.redis.hgetall(this.key(name));
    return Object.keys(hash).length === 0 ? undefined : parseScheduleRecord(hash);
  }

  /** All there are, by name. */
  async list(): Promise<RecordedSchedule[]> {
    const found = await Promise.all((await this.names()).map((name) => this.read(name)));
    return found.filter((each) => each !== undefined);
  }

  /** Names of all there are, and perhaps of some that there were, in order. */
  async names(): Promise<string[]> {
    return (await this.redis.smembers(this.keys.schedules())).sort();
  }

  /** Which definition a schedule has now, and up to where its dates have been dealt with; undefined when there is none. */
  async progress(name: string): Promise<{ revision: number; watermark: string } | undefined> {
    const [revision, watermark] = await this.redis.hmget(this.key(name), 'revision', 'watermark');
    if (typeof revision !== 'string' || typeof watermark !== 'string') return undefined;
    return { revision: Number(revision), watermark };
  }

  /** Removes the client's schedule. Its runs stay for their time, and its name until whoever ticks finds none of them open. */
  async remove(name: string, client: string): Promise<'removed' | 'gone' | 'from_file'> {
    const reply = await this.scripts.removeSchedule(this.key(name), client);
    return reply as 'removed' | 'gone' | 'from_file';
  }

  /** Notes that a process has a file of this name, though it does not hold: what it said before stays in force. */
  async noteSeen(name: string): Promise<void> {
    await this.scripts.seenSchedule(this.key(name), this.now());
  }

  /**
   * Gives up a schedule whose file no process has seen since `before`, in milliseconds since the epoch: it is released, to
   * be taken over by an older file, and removed when nobody has seen it for as long again.
   */
  async giveUpUnseen(name: string, before: number): Promise<'removed' | 'released' | 'kept'> {
    const muchBefore = 2 * before - this.now();
    const reply = await this.scripts.releaseSchedule(this.key(name), before, muchBefore);
    return reply as 'removed' | 'released' | 'kept';
  }

  /** Takes a name out of the index that has no schedule. */
  async forget(name: string): Promise<void> {
    if ((await this.redis.exists(this.key(name))) === 1) return;
    await this.redis.srem(this.keys.schedules(), name);
    // It may have been recorded between the two.
    if ((await this.redis.exists(this.key(name))) === 1) await this.index(name, Number.MAX_SAFE_INTEGER);
  }

  /** Keeps the schedules alive; for whoever ticks. */
  async renew(names: readonly string[]): Promise<void> {
    const keys = [this.keys.schedules(), ...names.map((name) => this.key(name))];
    await Promise.all(keys.map((key) => this.redis.pexpire(key, SCHEDULE_MS)));
  }

  /** Says that somebody has looked for runs that are due. */
  async noteTick(): Promise<void> {
    await this.redis.set(this.keys.ticked(), this.now(), 'PX', TICKED_MS);
  }

  /** When somebody last did, in milliseconds since the epoch; 0 when that is long ago. */
  async lastTick(): Promise<number> {
    return Number((await this.redis.get(this.keys.ticked())) ?? 0);
  }

  private async index(name: string, namesMax: number): Promise<boolean> {
    return (await this.scripts.indexSchedule(this.keys.schedules(), name, namesMax)) === 1;
  }

  private key(name: string): string {
    return `${this.keys.scheduleBase(name)}schedule`;
  }
}

/** As it is recorded: `1795000000000`, or with a date `1795000000000 2026-11-20`. */
export function writeWatermark({ at, date }: Watermark): string {
  return date === undefined ? String(at) : `${at} ${date}`;
}

export function readWatermark(text: string): Watermark {
  const [at, date] = text.split(' ');
  return date === undefined ? { at: Number(at) } : { at: Number(at), date };
}
