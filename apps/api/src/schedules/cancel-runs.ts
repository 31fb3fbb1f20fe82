/** Cancelling runs: one that waits ends at once; of one that runs, the task does, and the scheduler ends it. */
import { isRunOver } from '@millrace/schedule/run';
import { cancelTask } from '../result/end-task.js';
import { findOwnRun } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';

/** @param about members of the lines in the log */
export async function cancelRun(
  deps: ScheduleDeps,
  name: string,
  logicalDate: string,
  client: string,
  about: Record<string, string>,
): Promise<void> {
  const { runs, store, log } = deps;
  const found = await findOwnRun(deps, name, logicalDate, client);
  if (found === undefined || isRunOver(found.status)) return;
  await runs.cancel(name, logicalDate, 'request');
  log.info('a run is cancelled', { schedule: name, logical_date: logicalDate, client, ...about });
  // It may have made its task since it was found.
  const run = await runs.read(name, logicalDate);
  const task = run?.taskId === undefined ? undefined : await store.read(run.taskId);
  if (task !== undefined) await cancelTask(deps, task, { client, ...about });
}

/** Cancels the client's runs that have not ended, of a schedule that makes no more. */
export async function cancelOpenRuns(
  deps: ScheduleDeps,
  name: string,
  client: string,
  about: Record<string, string>,
): Promise<void> {
  const seen = new Set<string>();
  for (;;) {
    const heads = await deps.runs.heads(name);
    const dates = heads.map(({ logicalDate }) => logicalDate).filter((date) => !seen.has(date));
    if (dates.length === 0) return;
    await Promise.all(dates.map((date) => cancelRun(deps, name, date, client, about)));
    for (const date of dates) seen.add(date);
  }
}
