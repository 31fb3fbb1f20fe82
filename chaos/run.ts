/** A run: the platform, the undisturbed results of every body, the rounds, and what must hold after each and at the end. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Body, bodyName, makeBody } from './bodies.js';
import { type CallCounts, Caller } from './caller.js';
import { oldResults } from './old-results.js';
import { planRounds, type RoundPlan, WORKERS } from './plan.js';
import { ChaosPlatform } from './platform.js';
import { makeReferences } from './references.js';
import { percentile, type Report, violationText } from './report.js';
import { type RoundDeps, runRound } from './round.js';
import { abandonedUploads, type StoreProblem, storeProblems } from './store-check.js';
import { scanStore } from './store-scan.js';
import type { KnownTask } from './task-client.js';
import { type Violation, Violations } from './violations.js';

export interface RunOptions {
  seed: number;
  rounds: number;
  /** Within which all tasks of a round have to be finished. */
  boundMs: number;
  /** How long uploads that were abandoned may stay after the last round; 0: for as long as their keys live. */
  abandonedMs: number;
  /** Of its own, for the files of Redis and the models. */
  directory: string;
  /** The Redis server. */
  binary: string;
  /** Ends the run early, with a report of what there was. */
  signal: AbortSignal;
  say(line: string): void;
}

/** For what is done while nothing strikes: all bodies before the first round, old results after one. */
const CALM_MS = 300_000;
/** What a queue may need to put away its last jobs: one that was handed back waits for up to half a minute. */
const SETTLE_MS = 45_000;
const BETWEEN_LOOKS_MS = 250;
/** Results of so many rounds are kept, to be read again. */
const ROUNDS_KEPT = 15;
/** Of a task's log, to explain a violation. */
const LOG_LINES = 20;
const POOL = 'default';

export class Run {
  private readonly violations: Violations;
  private readonly calls: CallCounts = { answered: 0, unavailable: 0, lost: 0 };
  private readonly faults: Record<string, number> = {};
  private readonly known: KnownTask[] = [];
  /** What of the store was reported in an earlier round, and is not again. */
  private readonly reported = new Set<string>();
  private readonly recoveries: number[] = [];
  private zombieRuns = 0;
  private abandoned = 0;
  private roundsDone = 0;

  private constructor(
    private readonly options: RunOptions,
    private readonly platform: ChaosPlatform,
  ) {
    this.violations = new Violations((violation) => this.hear(violation));
  }

  static async run(options: RunOptions): Promise<Report> {
    const startedAt = Date.now();
    const platform = await ChaosPlatform.start(options.directory, options.binary, WORKERS);
    const run = new Run(options, platform);
    const aborted = new Promise<void>((resolve) => {
      if (options.signal.aborted) resolve();
      options.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      // A run that is ended early leaves its clients to find that nobody answers.
      await Promise.race([run.rounds(), aborted]);
      return run.report(startedAt);
    } finally {
      await platform.stop();
    }
  }

  private async rounds(): Promise<void> {
    const { options, platform, violations, calls } = this;
    const plans = planRounds(options.seed, options.rounds);
    const bodies = bodiesOf(plans);
    options.say(`the undisturbed results of ${bodies.size} bodies …`);
    const undisturbed = this.caller(0, 'an undisturbed run');
    const references = await makeReferences([...bodies.values()], undisturbed);
    const deps: RoundDeps = { platform, bodies, references, violations, calls, boundMs: options.boundMs };
    for (const plan of plans) {
      if (options.signal.aborted) return;
      await this.round(deps, plan);
    }
    await this.readAgain(Number.POSITIVE_INFINITY, options.rounds);
    await this.expectNothingAbandoned();
  }

  private async round(deps: RoundDeps, plan: RoundPlan): Promise<void> {
    const startedAt = Date.now();
    const before = this.violations.list.length;
    const { tasks, faults, zombieRuns, recoveryMs } = await runRound(deps, plan);
    this.known.push(...tasks);
    for (const kind of faults) this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    this.zombieRuns += zombieRuns;
    if (recoveryMs !== undefined) this.recoveries.push(recoveryMs);
    await this.expectCleanStore(plan.round);
    await this.readAgain(plan.round - ROUNDS_KEPT, plan.round);
    this.roundsDone++;
    const found = this.violations.list.length - before;
    this.options.say(
      `round ${plan.round}: ${tasks.length} tasks, ${faults.join(' ')}; recovered in ${recoveryMs ?? '?'} ms, ` +
        `${Date.now() - startedAt} ms in all, ${found} violations`,
    );
  }

  /** Looks until nothing is wrong any more, for as long as the queue may need. */
  private async expectCleanStore(round: number): Promise<void> {
    for (const problem of await this.lastingProblems(SETTLE_MS, async () => {
      const scan = await this.scan();
      this.abandoned = abandonedUploads(scan, this.known).length;
      return storeProblems(scan, this.known).filter((each) => !this.reported.has(textOf(each)));
    })) {
      this.reported.add(textOf(problem));
      this.violations.add({ rule: 'store', round, ...problem });
    }
  }

  private async expectNothingAbandoned(): Promise<void> {
    const { abandonedMs, rounds } = this.options;
    if (abandonedMs === 0) return;
    const left = await this.lastingProblems(abandonedMs, async () => {
      const abandoned = abandonedUploads(await this.scan(), this.known);
      this.abandoned = abandoned.length;
      return abandoned.map(({ id, record }) => ({
        about: record.request_id ?? 'an upload',
        task: id,
        detail: `it is ${record.status ?? 'without a record'} for ever`,
      }));
    });
    for (const problem of left) this.violations.add({ rule: 'store', round: rounds, ...problem });
    await this.expectCleanStore(rounds);
  }

  private async lastingProblems(ms: number, look: () => Promise<StoreProblem[]>): Promise<StoreProblem[]> {
    for (const until = Date.now() + ms; ; ) {
      const problems = await look();
      if (problems.length === 0 || Date.now() > until || this.options.signal.aborted) return problems;
      await delay(BETWEEN_LOOKS_MS);
    }
  }

  private scan() {
    return scanStore(this.platform.redis, this.platform.keys, POOL);
  }

  /** Results never change: those of old rounds are read once more, and then erased to make room. */
  private async readAgain(upToRound: number, round: number): Promise<void> {
    const old = this.known.filter((task) => task.round <= upToRound && !task.isErased && task.digest);
    const caller = this.caller(round, 'results of old rounds');
    for (const { task, detail } of await oldResults(caller, old)) {
      this.violations.add({ rule: 'result', round: task.round, about: task.label, task: task.id, detail });
    }
  }

  private caller(round: number, about: string): Caller {
    const deadline = Date.now() + CALM_MS;
    return new Caller(
      this.platform.port,
      this.calls,
      () => deadline,
      (rule, detail) => {
        this.violations.add({ rule, round, about, detail });
      },
    );
  }

  private hear(violation: Violation): void {
    this.options.say(violationText(violation));
    const { task } = violation;
    if (task === undefined) return;
    const lines = this.platform.log.split('\n').filter((line) => line.includes(task));
    for (const line of lines.slice(-LOG_LINES)) this.options.say(`    ${line}`);
  }

  private report(startedAt: number): Report {
    const tasks: Record<string, number> = {};
    for (const { isErased, status } of this.known) {
      const name = status ?? (isErased ? 'erased' : 'unfinished');
      tasks[name] = (tasks[name] ?? 0) + 1;
    }
    const { recoveries } = this;
    return {
      seed: this.options.seed,
      rounds: this.roundsDone,
      seconds: Math.round((Date.now() - startedAt) / 1000),
      faults: this.faults,
      restarts: this.platform.restarts,
      tasks,
      rows: this.known.reduce((sum, { rows }) => sum + rows, 0),
      calls: this.calls,
      zombieRuns: this.zombieRuns,
      ...(recoveries.length === 0
        ? {}
        : {
            recoveryMs: {
              p50: percentile(recoveries, 0.5),
              p99: percentile(recoveries, 0.99),
              max: Math.max(...recoveries),
            },
          }),
      abandonedUploads: this.abandoned,
      violations: this.violations.list,
    };
  }
}

function bodiesOf(plans: readonly RoundPlan[]): Map<string, Body> {
  const specs = plans.flatMap(({ tasks }) => tasks.map(({ body }) => body));
  return new Map([...new Set(specs)].map((spec) => [bodyName(spec), makeBody(spec)]));
}

function textOf({ about, task, detail }: StoreProblem): string {
  return `${about} ${task} ${detail}`;
}
