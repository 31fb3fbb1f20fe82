/** The steps of the task index that change more than one key, each one script that stands being sent again. */
import type { ScriptDefinition } from './define-scripts.js';

/** Notes an unfinished task. KEYS unfinished · ARGV task, created_at, lifetime_ms → 1 when it was not noted */
const ADD: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local added = redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return added
`,
};

/** Notes the results of a finished task. KEYS results, result_bytes · ARGV task, expires_at, bytes, lifetime_ms → 1 when they were not noted */
const ADD_RESULTS: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
-- First a write that takes no memory: after it, a Redis that is full takes the others, too.
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], 'total', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`,
};

/** Forgets the results of tasks. KEYS results, result_bytes · ARGV task, … → how many were noted */
const REMOVE_RESULTS: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
local removed = 0
for _, task in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], task) == 1 then
    removed = removed + 1
    redis.call('HINCRBY', KEYS[2], 'total', 0 - redis.call('HGET', KEYS[2], task))
    redis.call('HDEL', KEYS[2], task)
  end
end
return removed
`,
};

export const INDEX_SCRIPTS = {
  addUnfinished: ADD,
  addResults: ADD_RESULTS,
  removeResults: REMOVE_RESULTS,
} satisfies Record<string, ScriptDefinition>;
