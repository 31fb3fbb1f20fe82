/** Reads results of finished tasks once more, and erases them. */
import type { Caller } from './caller.js';
import { digestOf, type KnownTask } from './task-client.js';

/** Those that are not what they were. */
export async function oldResults(
  caller: Caller,
  tasks: readonly KnownTask[],
): Promise<{ task: KnownTask; detail: string }[]> {
  const problems: { task: KnownTask; detail: string }[] = [];
  for (const task of tasks) {
    const path = `/batch-result/${task.id}`;
    const headers = { accept: 'application/x-ndjson' };
    const { status, body } = await caller.insist(() => ({ method: 'GET', path, headers }));
    if (status !== 200) problems.push({ task, detail: `read again, it was answered ${status}` });
    else if (digestOf(body) !== task.digest) problems.push({ task, detail: 'the result has changed' });
    await caller.insist(() => ({ method: 'DELETE', path }));
    task.isErased = true;
  }
  return problems;
}
