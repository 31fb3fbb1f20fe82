/** The fuzzer is responsible for a run: it makes requests, sends them a few at once, and holds every answer to the document. */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { Keys } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import { AnswerCheck, jsonOf } from './answer-check.js';
import type { Call } from './call.js';
import { CallMaker, type Seen } from './call-maker.js';
import { ApiDocument } from './document.js';
import { leftovers } from './leftovers.js';
import { KEY_PREFIX, type Platform } from './platform.js';
import { type Outcome, Sender } from './send.js';

export interface FuzzOptions {
  requests: number;
  seed: number;
  /** Requests under way at once; with one, a run is the same every time but for the ids of tasks. */
  concurrency?: number;
}

export interface Violation {
  problem: string;
  /** The request that was answered so; absent for what is found out at the end. */
  call?: Call;
}

export interface FuzzReport {
  seed: number;
  /** Answers by operation and status, or by how they did not come. */
  counts: Map<string, Map<string, number>>;
  tasks: number;
  violations: Violation[];
}

const CONCURRENCY = 8;
/** More than any wait that is asked for, and any silence that is allowed. */
const BOUND_MS = 20_000;
/** Of the requests, before memory and files are looked at for the first time. */
const WARM_UP = 0.2;
const SEEN_MAX = 2_000;

export async function fuzz(platform: Platform, options: FuzzOptions): Promise<FuzzReport> {
  const document = new ApiDocument(JSON.parse(await platform.get(platform.url, '/openapi.json')));
  const run = new Run(platform, document, options);
  const warmUp = Math.ceil(options.requests * WARM_UP);
  await run.send(0, warmUp);
  const warm = await platform.held();
  await run.send(warmUp, options.requests);
  const problems = await leftovers(platform, run.tasks, warm);
  const { counts, violations, tasks } = run;
  const errors = platform.errors.map((line) => ({ problem: `an error was logged: ${line}` }));
  return {
    seed: options.seed,
    counts,
    tasks: tasks.size,
    violations: [...violations, ...problems.map((problem) => ({ problem })), ...errors],
  };
}

class Run {
  readonly counts = new Map<string, Map<string, number>>();
  readonly violations: Violation[] = [];
  /** Every task that was accepted, with its rows where they are known. */
  readonly tasks = new Map<string, number | undefined>();
  private readonly seen: Seen = { tasks: [], cursors: [] };
  private readonly maker: CallMaker;
  private readonly check: AnswerCheck;
  private readonly store: TaskStore;

  constructor(
    private readonly platform: Platform,
    document: ApiDocument,
    private readonly options: FuzzOptions,
  ) {
    this.maker = new CallMaker(document, options.seed, platform.keys);
    this.check = new AnswerCheck(document);
    this.store = new TaskStore(platform.redis, new Keys(KEY_PREFIX));
  }

  /** Makes the requests of these places, and closes what connections are left. */
  async send(from: number, to: number): Promise<void> {
    const { concurrency = CONCURRENCY } = this.options;
    const sender = new Sender(this.platform.url, BOUND_MS, concurrency);
    let next = from;
    const sendAll = async (): Promise<void> => {
      while (next < to && this.platform.ended.length === 0) await this.sendOne(sender, next++);
    };
    await Promise.all(Array.from({ length: concurrency }, sendAll));
    sender.close();
  }

  private async sendOne(sender: Sender, index: number): Promise<void> {
    const call = this.maker.make(index, this.seen);
    const outcome = await sender.send(call);
    this.count(call, outcome);
    for (const problem of await this.problems(call, outcome)) {
      this.violations.push({ problem, call });
    }
    if (outcome.kind === 'answered') this.remember(call, outcome.status, jsonOf(outcome.body));
  }

  private async problems(call: Call, outcome: Outcome): Promise<string[]> {
    switch (outcome.kind) {
      case 'left':
        return [];
      case 'failed':
        // Whoever stops sending may be cut off once the answer could have been read.
        if (call.delivery === 'silent') return [];
        return outcome.isBegun && (await this.isGone(call)) ? [] : [outcome.reason];
      case 'endless':
        return [...this.check.problems(call, outcome), ...(await this.endProblems(call))];
      case 'answered':
        return this.check.problems(call, outcome);
    }
  }

  /** The results were erased, or have expired, while they were sent: then the connection is cut. */
  private async isGone(call: Call): Promise<boolean> {
    const { erasedAt, expiresAt = Number.POSITIVE_INFINITY } = (await this.taskOf(call)) ?? {};
    return erasedAt !== undefined || expiresAt <= Date.now();
  }

  /** An answer may go on for as long as its task does. */
  private async endProblems(call: Call): Promise<string[]> {
    const task = await this.taskOf(call);
    const isRunning = task !== undefined && !isTerminal(task.status);
    return isRunning ? [] : [`the answer has no end within ${BOUND_MS} ms`];
  }

  /** The task whose id is in the path. */
  private async taskOf({ path }: Call): Promise<Task | undefined> {
    const id = [...this.tasks.keys()].find((each) => path.includes(each));
    return id === undefined ? undefined : this.store.read(id);
  }

  private remember(
    { rows }: Call,
    status: number,
    body: { task_id?: unknown; next?: unknown } | undefined,
  ): void {
    if (status >= 300 || typeof body !== 'object' || body === null) return;
    const { task_id: id, next } = body;
    if (typeof id === 'string' && !this.tasks.has(id)) {
      this.tasks.set(id, rows);
      this.seen.tasks.push(id);
    }
    if (typeof next === 'string') this.seen.cursors.push(next);
    for (const list of [this.seen.tasks, this.seen.cursors]) if (list.length > SEEN_MAX) list.shift();
  }

  private count({ operation, method }: Call, outcome: Outcome): void {
    const isSpoilt = method !== operation.method;
    const name = isSpoilt ? 'other methods' : `${operation.method} ${operation.path}`;
    const key = 'status' in outcome ? String(outcome.status) : outcome.kind;
    const counts = this.counts.get(name) ?? new Map<string, number>();
    counts.set(key, (counts.get(key) ?? 0) + 1);
    this.counts.set(name, counts);
  }
}
