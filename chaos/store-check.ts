/** Whether Redis holds what it has to when nothing runs any more, and nothing else. */
import { isTerminal, type TaskStatus } from '@millrace/batch/status';
import type { StoredTask, StoreScan } from './store-scan.js';
import type { KnownTask } from './task-client.js';
import type { Violation } from './violations.js';

export type StoreProblem = Pick<Violation, 'about' | 'task' | 'detail'>;

/** BullMQ's own, one each for a queue. */
const EVERLASTING = /:(meta|events|marker|id|pc)$/;
/** What is computed, or was ended before it was. */
const CHUNK_ENDS = new Set(['done', 'cancelled', 'expired']);
const HALTED = new Set(['cancelled', 'expired']);

/** What is wrong with all that is stored, given the tasks that were acknowledged; empty when nothing is. */
export function storeProblems(scan: StoreScan, known: readonly KnownTask[]): StoreProblem[] {
  const ids = new Set(known.map(({ id }) => id));
  return [
    ...known.flatMap((task) =>
      knownProblems(scan, task).map((detail) => ({ about: task.label, task: task.id, detail })),
    ),
    ...[...scan.tasks.values()]
      .filter((task) => !isAbandoned(task) || ids.has(task.id))
      .flatMap((task) =>
        taskProblems(task).map((detail) => ({ about: labelOf(task), task: task.id, detail })),
      ),
    ...twins(scan, known),
    ...jobProblems(scan),
    ...scan.everlasting
      .filter((name) => !EVERLASTING.test(name))
      .map((name) => ({ about: `the key ${name}`, detail: 'has no lifetime' })),
  ];
}

/** Uploads that were never acknowledged and of which something is left: the API process or Redis went away in the middle. */
export function abandonedUploads(scan: StoreScan, known: readonly KnownTask[]): StoredTask[] {
  const ids = new Set(known.map(({ id }) => id));
  return [...scan.tasks.values()].filter((task) => isAbandoned(task) && !ids.has(task.id));
}

function knownProblems({ tasks }: StoreScan, { id, isErased }: KnownTask): string[] {
  const record = tasks.get(id)?.record;
  if (record?.status === undefined) return ['an acknowledged task has no record'];
  const wasErased = record.erased_at !== undefined;
  return wasErased === isErased ? [] : [`erased: ${wasErased}, asked for: ${isErased}`];
}

function isAbandoned({ record }: StoredTask): boolean {
  return record.status === 'receiving' || record.status === undefined;
}

function taskProblems({ record, chunks, inputs, outputs, failed }: StoredTask): string[] {
  const { status = 'without a record' } = record;
  if (record.status === undefined || !isTerminal(status as TaskStatus)) {
    const states = [...chunks]
      .filter(([, state]) => !CHUNK_ENDS.has(state))
      .map(([at, state]) => `${at} ${state}`);
    return [`it is ${status}; chunks that are not done: ${states.join(', ')}`];
  }
  const expected = [...chunks].filter(([, state]) => state === 'done').map(([index]) => index);
  const open = [...chunks].filter(([, state]) => !CHUNK_ENDS.has(state));
  const halted = [...chunks].filter(([, state]) => HALTED.has(state)).map(([index]) => index);
  const retryable = [...halted, ...failed];
  return [
    ...(sameNumbers(inputs, retryable)
      ? []
      : [`it is ${status} and has the input of chunks ${inputs}, of which ${retryable} can be retried`]),
    ...(sameNumbers(outputs, expected)
      ? []
      : [`it has results of chunks ${outputs}, and ${expected} are done`]),
    ...(open.length === 0 ? [] : [`it is ${status} with chunks that are ${open.map(([, state]) => state)}`]),
    ...(chunks.size === Number(record.chunks)
      ? []
      : [`it has ${record.chunks} chunks and ${chunks.size} entries of them`]),
  ];
}

/** Under one key, whichever sender saw an answer, one task at most is accepted. */
function twins({ tasks }: StoreScan, known: readonly KnownTask[]): StoreProblem[] {
  const keyed = new Set(known.filter(({ hasKey }) => hasKey).map(({ label }) => label));
  const accepted = new Map<string, string[]>();
  for (const task of tasks.values()) {
    const label = labelOf(task);
    if (task.record.sealed !== '1' || !keyed.has(label)) continue;
    accepted.set(label, [...(accepted.get(label) ?? []), task.id]);
  }
  return [...accepted]
    .filter(([, ids]) => ids.length > 1)
    .map(([label, ids]) => ({
      about: `the key of ${label}`,
      detail: `was accepted as ${ids.join(' and ')}`,
    }));
}

function jobProblems({ jobs, failedJobs, tasks }: StoreScan): StoreProblem[] {
  const left = jobs.filter(({ task }) => {
    const stored = tasks.get(task);
    return stored === undefined || !isAbandoned(stored);
  });
  return [
    ...left.map(({ task, chunk, places }) => ({
      about: `the job ${task}.${chunk}`,
      detail: `is left, in ${places}`,
    })),
    ...failedJobs.map((id) => ({ about: `the job ${id}`, detail: 'was failed by the queue' })),
  ];
}

/** As the chaos program calls it: what its request ids begin with. */
function labelOf({ record }: StoredTask): string {
  return record.request_id?.split('.')[0] ?? 'a task';
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return [...a].sort((x, y) => x - y).join() === [...b].sort((x, y) => x - y).join();
}
