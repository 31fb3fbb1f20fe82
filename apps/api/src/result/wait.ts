/** Waiting for a task's end, for clients that prefer to (RFC 7240). */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { TaskStore } from '@millrace/queue/task-store';
import type { Request, Response } from 'express';

export interface WaitDeps {
  store: TaskStore;
  events: FinishedEvents;
}

const WAIT_MAX_SECONDS = 60;
const WAIT_PREFERENCE = /(?:^|[,;])\s*wait\s*=\s*"?(\d+)"?\s*(?:$|[,;])/i;

/** How long the client would wait, in ms: `Prefer: wait=10`, at most a minute. Undefined when it does not say. */
export function preferredWait(request: Request): number | undefined {
  const seconds = WAIT_PREFERENCE.exec(request.get('prefer') ?? '')?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), WAIT_MAX_SECONDS) * 1000;
}

/**
 * The task once it has ended, or as it stands after `ms` or when the client leaves; undefined when it is gone.
 * @param task as it was just read
 */
export async function waitForEnd(
  { store, events }: WaitDeps,
  response: Response,
  task: Task,
  ms: number,
): Promise<Task | undefined> {
  response.set('Preference-Applied', `wait=${ms / 1000}`);
  if (isTerminal(task.status)) return task;
  const left = new AbortController();
  const leave = () => left.abort();
  response.once('close', leave);
  try {
    await events.wait(task.id, ms, left.signal);
    return await store.read(task.id);
  } finally {
    response.off('close', leave);
    leave();
  }
}
