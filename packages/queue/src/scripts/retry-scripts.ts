/** The steps of a retry on the task that is retried, each one script. Each may be sent again after a lost reply. */
import type { ScriptDefinition } from './define-scripts.js';

/** Of the chunks hash: how many rows before this chunk can be retried. */
export const rowsBeforeField = (chunk: number): string => `retryable:${chunk}`;

/**
 * Notes how many rows before a chunk can be retried. It follows from the results, so that whoever notes it says the same.
 * KEYS chunks · ARGV field, rows → 1 · 0 when the results are gone
 */
const NOTE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`,
};

/**
 * Links a task to its retry, if it has none, or one that came to nothing.
 * KEYS task · ARGV retry, the one that came to nothing (empty: there is none)
 * → the retry that the task is linked to now, which may be another one · empty when the task was erased or is gone
 */
const LINK: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local task = redis.call('HMGET', KEYS[1], 'id', 'erased_at', 'retried_by')
if not task[1] or task[2] then return '' end
if task[3] and task[3] ~= ARGV[2] then return task[3] end
redis.call('HSET', KEYS[1], 'retried_by', ARGV[1])
return ARGV[1]
`,
};

export const RETRY_SCRIPTS = { noteRetryable: NOTE, linkRetry: LINK } satisfies Record<
  string,
  ScriptDefinition
>;
