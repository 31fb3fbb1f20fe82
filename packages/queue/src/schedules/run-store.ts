/**
 * The run store is responsible for the runs of schedules: that there is exactly one for each schedule and logical date,
 * whoever makes it however often, and that only the last process to take one up changes it.
 */
import { createHash } from 'node:crypto';
import type { DueDate, Watermark } from '@millrace/schedule/cron-times';
import type { RunStatus, Trigger } from '@millrace/schedule/run';
import type { RedisConnection } from '../connection.js';
import type { Keys } from '../keys.js';
import { pairs } from '../pairs.js';
import { defineScripts, type Script } from '../scripts/define-scripts.js';
import { RUN_SCRIPTS } from '../scripts/run-scripts.js';
import type { Alarm } from './alarm.js';
import { parseRun, type RecordedRun, type RecordedSchedule } from './run-record.js';
import { writeWatermark } from './schedule-store.js';

/** Identifies a run within its schedule, and when it is due, in milliseconds since the epoch. */
export type RunDate = Pick<DueDate, 'logicalDate' | 'dueAt'>;

/** A date that has come, and what becomes of it. */
export interface DueRun extends RunDate {
  status: Extract<RunStatus, 'waiting' | 'missed'>;
  trigger: Extract<Trigger, 'schedule' | 'catch_up'>;
}

/** A run that has not ended, as the ticker looks at it. */
export interface RunHead {
  logicalDate: string;
  status: 'waiting' | 'running';
  dueAt: number;
  /** It runs, or it is its turn. */
  mayBegin: boolean;
  isToBeCancelled: boolean;
  taskId: string | undefined;
  isKnownAsLate: boolean;
  trigger: Trigger;
}

/** Runs are in order, and bounded in parallel, among those of one lane. */
const LANES = ['schedule', 'backfill', 'manual'] as const;
type Lane = (typeof LANES)[number];

/** How far an attempt has come. */
export interface RunProgress {
  /** The task that is being made. */
  taskId?: string;
  model?: string;
  /** The task, once all of its rows are in the queue. */
  acceptedTask?: string;
  writtenRows?: number;
  /** Why this attempt came to nothing; others follow. */
  error?: RecordedRun['error'];
}

/** @property next the date to go on before; undefined when there are no more */
export interface RunPage {
  runs: RecordedRun[];
  next: string | undefined;
}

/** What a run has come to. */
export interface RunEnd {
  status: RunStatus;
  ledger?: RecordedRun['ledger'];
  written?: RecordedRun['written'];
  error?: RecordedRun['error'];
  alarms: readonly Alarm[];
}

export class RunStore {
  private readonly scripts: Record<keyof typeof RUN_SCRIPTS, Script>;

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    private readonly now: () => number = Date.now,
  ) {
    this.scripts = defineScripts(redis, RUN_SCRIPTS);
  }

  /**
   * Makes the runs of the dates between the schedule's watermark, as it was read, and a new one.
   * @returns the status of each, empty of one that there was already; undefined when somebody else has advanced or changed
   * the schedule meanwhile, and nothing was made
   */
  async advance(
    { definition, client, revision, watermark }: RecordedSchedule,
    to: Watermark,
    due: readonly DueRun[],
    alarms: readonly Alarm[],
  ): Promise<(RunStatus | '')[] | undefined> {
    const runs = due.map((each) => record(each, each.status, each.trigger, 1));
    const text = JSON.stringify(definition);
    const reply = await this.scripts.advance(
      this.base(definition.name),
      this.now(),
      revision,
      watermark,
      writeWatermark(to),
      JSON.stringify(runs),
      text,
      client,
      definition.overlap,
      alarmsText(alarms),
      digestOf(text),
    );
    return (reply ?? undefined) as (RunStatus | '')[] | undefined;
  }

  /**
   * Makes runs that somebody asks for.
   * @param parallel how many of them may run at once
   * @param again which of those that have ended run once more
   * @returns what has become of each; undefined when too many runs have not ended
   */
  async add(
    { definition, client, revision }: Pick<RecordedSchedule, 'definition' | 'client' | 'revision'>,
    dates: readonly RunDate[],
    trigger: 'backfill' | 'manual',
    parallel: number,
    again: 'never' | 'unsuccessful' | 'always',
  ): Promise<('created' | 'again' | 'exists')[] | undefined> {
    const runs = dates.map((date) => record(date, 'waiting', trigger, parallel));
    const text = JSON.stringify(definition);
    const reply = (await this.scripts.addRuns(
      this.base(definition.name),
      this.now(),
      JSON.stringify(runs),
      text,
      client,
      revision,
      again,
      digestOf(text),
    )) as ('created' | 'again' | 'exists' | 'full')[];
    return reply[0] === 'full' ? undefined : (reply as ('created' | 'again' | 'exists')[]);
  }

  /** Begins a run if it is its turn, or takes it up from a process that has ended. */
  async start(schedule: string, logicalDate: string): Promise<RecordedRun | 'wait' | 'ended' | 'gone'> {
    const reply = (await this.scripts.startRun(this.base(schedule), logicalDate, this.now())) as string[];
    if (reply.length === 1) return reply[0] as 'wait' | 'ended' | 'gone';
    return parseRun(pairs(reply));
  }

  /** Notes how far an attempt has come. `lost` when the run is another's, or has ended. */
  async note(
    { schedule, logicalDate, attempt }: RecordedRun,
    progress: RunProgress,
  ): Promise<'ok' | 'cancelled' | 'lost'> {
    const { taskId, model, acceptedTask, writtenRows, error } = progress;
    const fields = [
      ...(taskId === undefined ? [] : ['task', taskId]),
      ...(model === undefined ? [] : ['model', model]),
      ...(acceptedTask === undefined ? [] : ['accepted', acceptedTask]),
      ...(writtenRows === undefined ? [] : ['written_rows', writtenRows]),
      ...errorFields(error),
    ];
    const reply = await this.scripts.noteRun(this.base(schedule), logicalDate, attempt, ...fields);
    return reply as 'ok' | 'cancelled' | 'lost';
  }

  /** Ends a run. False when it is another's, or has ended. */
  async end({ schedule, logicalDate, attempt }: RecordedRun, end: RunEnd): Promise<boolean> {
    const { status, ledger, written, error, alarms } = end;
    const reply = await this.scripts.endRun(
      this.base(schedule),
      logicalDate,
      attempt,
      this.now(),
      status,
      alarmsText(alarms),
      ...(ledger === undefined ? [] : ['rows', JSON.stringify(ledger)]),
      ...(written === undefined ? [] : ['written', JSON.stringify(written)]),
      ...errorFields(error),
    );
    return reply === 1;
  }

  /** Ends a run that waits, and asks for the end of one that runs. False when there is none. */
  async cancel(schedule: string, logicalDate: string, reason: string): Promise<boolean> {
    const reply = await this.scripts.cancelRun(this.base(schedule), logicalDate, this.now(), reason);
    return typeof reply === 'string';
  }

  /** The runs at the head of each lane. */
  async heads(schedule: string): Promise<RunHead[]> {
    const reply = (await this.scripts.headsOfRuns(this.base(schedule), ...LANES)) as string[][];
    return reply.map(([logicalDate = '', status, dueAt, mayBegin, cancel, taskId = '', lateAt, trigger]) => ({
      logicalDate,
      status: status as RunHead['status'],
      dueAt: Number(dueAt),
      mayBegin: Number(mayBegin) === 1,
      isToBeCancelled: cancel !== '',
      taskId: taskId === '' ? undefined : taskId,
      isKnownAsLate: lateAt !== '',
      trigger: trigger as Trigger,
    }));
  }

  /** Notes that a run has not begun in time. True the first time. */
  async late(schedule: string, logicalDate: string, alarm: Alarm): Promise<boolean> {
    const reply = await this.scripts.lateRun(
      this.base(schedule),
      logicalDate,
      this.now(),
      alarmsText([alarm]),
    );
    return reply === 1;
  }

  async read(schedule: string, logicalDate: string): Promise<RecordedRun | undefined> {
    const base = this.base(schedule);
    const hash = await this.redis.hgetall(`${base}run:${logicalDate}`);
    if (hash.definition === undefined) return undefined;
    const definition = await this.redis.hget(`${base}definitions`, hash.definition);
    return definition === null ? undefined : parseRun({ ...hash, definition });
  }

  /** The last run by when it is due that is due by now. */
  async latest(schedule: string): Promise<RecordedRun | undefined> {
    const key = `${this.base(schedule)}runs`;
    const [date] = await this.redis.zrevrangebyscore(key, this.now(), '-inf', 'LIMIT', 0, 1);
    return date === undefined ? undefined : this.read(schedule, date);
  }

  /** The last runs by when they are due, the latest first; those before a date when it is given. */
  async page(schedule: string, limit: number, before?: string): Promise<RunPage> {
    const key = `${this.base(schedule)}runs`;
    const rank = before === undefined ? -1 : await this.redis.zrevrank(key, before);
    // The oldest are forgotten first: there is nothing before one that has been.
    if (rank === null) return { runs: [], next: undefined };
    const dates = await this.redis.zrevrange(key, rank + 1, rank + limit);
    const runs = await Promise.all(dates.map((date) => this.read(schedule, date)));
    return {
      runs: runs.filter((run) => run !== undefined),
      next: dates.length < limit ? undefined : dates.at(-1),
    };
  }

  private base(schedule: string): string {
    return this.keys.scheduleBase(schedule);
  }
}

/** As the scripts take it. */
function record({ logicalDate, dueAt }: RunDate, status: RunStatus, trigger: Trigger, parallel: number) {
  const lane: Lane = trigger === 'catch_up' ? 'schedule' : trigger;
  return { logical_date: logicalDate, due_at: dueAt, status, trigger, lane, parallel };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function errorFields(error: RecordedRun['error']): string[] {
  return error === undefined ? [] : ['error_code', error.code, 'error_message', error.message];
}

function alarmsText(alarms: readonly Alarm[]): string {
  return alarms.length === 0 ? '' : JSON.stringify(alarms.map((alarm) => JSON.stringify(alarm)));
}
