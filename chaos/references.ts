/** What every body comes to when nothing happens. */
import { isTerminal } from '@millrace/batch/status';
import type { Body } from './bodies.js';
import type { Caller } from './caller.js';
import { linesOf, type Reference, resultPart } from './compare-result.js';
import type { TaskView } from './ledger-watch.js';

/** Computed all at once, on the platform itself. @throws Error when one of them is not accepted */
export async function makeReferences(
  bodies: readonly Body[],
  caller: Caller,
): Promise<Map<string, Reference>> {
  const made = bodies.map(async (body) => [body.name, await makeReference(body, caller)] as const);
  return new Map(await Promise.all(made));
}

async function makeReference({ name, path, type, bytes }: Body, caller: Caller): Promise<Reference> {
  const headers = { 'content-type': type };
  const accepted = await caller.insist(() => ({ method: 'POST', path, headers, body: bytes }));
  if (accepted.status !== 202) throw new Error(`${name} was answered ${accepted.status} ${accepted.body}`);
  const result = `/batch-result/${(JSON.parse(accepted.body) as TaskView).task_id}`;
  const json = await caller.insist(
    () => ({ method: 'GET', path: result, headers: { prefer: 'wait=5' } }),
    ({ body }) => isTerminal((JSON.parse(body) as TaskView).status),
  );
  const ndjson = await caller.insist(() => ({
    method: 'GET',
    path: result,
    headers: { accept: 'application/x-ndjson' },
  }));
  return { lines: linesOf(ndjson.body), json: resultPart(json.body) };
}
