import { TASK_ID, TaskIds } from '@millrace/queue/task-ids';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const NOW = 1_800_000_000_123;
const ids = new TaskIds('a secret', () => NOW);

it('carry when they were made', () => {
  const id = ids.create('alice');
  expect(id).toMatch(TASK_ID);
  expect(ids.createdAt(id, 'alice')).toBe(NOW);
});

it('differ, though they were made in the same millisecond', () => {
  expect(new Set(Array.from({ length: 1_000 }, () => ids.create('alice'))).size).toBe(1_000);
});

it('are those of a UUID of version 8', () => {
  expect(ids.create('alice')).toMatch(/^.{14}8.{4}[89ab].{16}$/);
});

it('say nothing to another client, or where the secret is another', () => {
  const id = ids.create('alice');
  expect(ids.createdAt(id, 'bob')).toBeUndefined();
  expect(new TaskIds('another').createdAt(id, 'alice')).toBeUndefined();
});

it('say nothing when a single digit is changed', () => {
  const id = ids.create('alice');
  for (let at = 0; at < id.length; at++) {
    if (id[at] === '-') continue;
    const changed =
      id.slice(0, at) + (Number.parseInt(id[at] as string, 16) ^ 1).toString(16) + id.slice(at + 1);
    expect(ids.createdAt(changed, 'alice')).toBeUndefined();
  }
});

it('are none of all other texts', () => {
  const text = fc.oneof(fc.string(), fc.uuid(), fc.stringMatching(/^[0-9a-f-]{36}$/));
  fc.assert(fc.property(text, (id) => ids.createdAt(id, 'alice') === undefined));
});
