/** Reads results of finished tasks once more, and erases them. */
import { type Caller, GaveUpError } from './caller.js';
import { digestOf, type KnownTask } from './task-client.js';

/** Those that are not what they were. */
export async function oldResults(
  caller: Caller,
  tasks: readonly KnownTask[],
): Promise<{ task: KnownTask; detail: string }[]> {
  const problems: { task: KnownTask; detail: string }[] = [];
  for (const task of tasks) {
    const detail = await readAgain(caller, task);
    if (detail !== undefined) problems.push({ task, detail });
  }
  return problems;
}

/** What is wrong with it; undefined when nothing is. */
async function readAgain(caller: Caller, task: KnownTask): Promise<string | undefined> {
  const path = `/batch-result/${task.id}`;
  const headers = { accept: 'application/x-ndjson' };
  try {
    const { status, body } = await caller.insist(() => ({ method: 'GET', path, headers }));
    await caller.insist(() => ({ method: 'DELETE', path }));
    task.isErased = true;
    if (status !== 200) return `read again, it was answered ${status}`;
    return digestOf(body) === task.digest ? undefined : 'the result has changed';
  } catch (error) {
    if (!(error instanceof GaveUpError)) throw error;
    return `it could not be read again: ${error.message}`;
  }
}
