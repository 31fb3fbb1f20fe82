/** One round: tasks and faults at once, until all faults are over and all tasks are finished. */
import type { Body } from './bodies.js';
import { bodyName } from './bodies.js';
import { type CallCounts, Caller } from './caller.js';
import type { Reference } from './compare-result.js';
import { Faults } from './faults.js';
import type { RoundPlan } from './plan.js';
import type { ChaosPlatform } from './platform.js';
import { type KnownTask, TaskClient } from './task-client.js';
import type { Rule, Violations } from './violations.js';
import { overtakenRuns } from './worker-metrics.js';

export interface RoundDeps {
  platform: ChaosPlatform;
  bodies: ReadonlyMap<string, Body>;
  references: ReadonlyMap<string, Reference>;
  violations: Violations;
  calls: CallCounts;
  /** Until every task has to be finished, from the beginning of the round. */
  boundMs: number;
}

export interface RoundOutcome {
  tasks: KnownTask[];
  faults: string[];
  zombieRuns: number;
  /** From the end of the last fault to the end of the last task; undefined when one did not end. */
  recoveryMs: number | undefined;
}

export async function runRound(deps: RoundDeps, plan: RoundPlan): Promise<RoundOutcome> {
  const { platform, violations, calls } = deps;
  const { round } = plan;
  const faults: string[] = [];
  const tasks: KnownTask[] = [];
  const deadline = Date.now() + deps.boundMs;
  const clients = plan.tasks.map((task, index) => {
    const label = `r${round}-t${index}`;
    const name = bodyName(task.body);
    const violate = (rule: Rule, detail: string) => {
      const id = tasks.find((each) => each.label === label)?.id;
      violations.add({ rule, round, about: `${label} (${name})`, task: id, detail });
    };
    return new TaskClient({
      plan: task,
      round,
      label,
      body: deps.bodies.get(name) as Body,
      reference: deps.references.get(name) as Reference,
      caller: new Caller(platform.port, calls, () => deadline, violate),
      violate,
      cut: (kind) => faults.push(kind),
      acknowledged: (known) => tasks.push(known),
    });
  });
  const striker = new Faults(platform);
  const strikes = Promise.all(plan.faults.map((fault) => striker.strike(fault)));
  const [{ struck, faultsOverAt }] = await Promise.all([
    strikes.then((all) => ({ struck: all, faultsOverAt: Date.now() })),
    ...clients.map((client) => client.run()),
  ]);
  faults.push(...struck.map(({ kind }) => kind));
  return {
    tasks,
    faults,
    zombieRuns: await zombieRuns(struck),
    recoveryMs: recoveryMs(tasks, faultsOverAt),
  };
}

async function zombieRuns(struck: readonly Awaited<ReturnType<Faults['strike']>>[]): Promise<number> {
  let runs = 0;
  for (const { slept } of struck) {
    if (slept !== undefined) runs += Math.max(0, (await overtakenRuns(slept.worker)) - slept.overtakenBefore);
  }
  return runs;
}

function recoveryMs(tasks: readonly KnownTask[], faultsOverAt: number): number | undefined {
  const awaited = tasks.filter(({ isErased }) => !isErased);
  if (awaited.some(({ finishedAt }) => finishedAt === undefined)) return undefined;
  return Math.max(0, ...awaited.map(({ finishedAt = 0 }) => finishedAt - faultsOverAt));
}
