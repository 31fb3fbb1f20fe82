/** The ends of a task that no commit brings about, and of what it leaves. */
import type { ScriptDefinition } from './define-scripts.js';
import { CHUNKS, FINISH, HALT, SERVER } from './fragments.js';
import { STATUS_MOVES } from './status-moves.js';

/**
 * Ends a task before its rows are done: on request as `cancelled`, or as `expired` if its deadline has passed.
 * KEYS task, chunks · ARGV outcome, now, results_ms, record_ms, channel, outputs, inputs (key prefixes)
 * → `halted` · `ended` when it had ended before · `early` when it is to expire and its deadline has not passed · `gone`
 */
const END: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${STATUS_MOVES}${SERVER}${CHUNKS}${FINISH}${HALT}
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return 'gone' end
if is_terminal(status) then return 'ended' end
if ARGV[1] == 'expired' and not is_due() then return 'early' end
halt(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], KEYS[2])
return 'halted'
`,
};

/**
 * Erases a task: cancels it if it is unfinished, and removes every byte of its rows and results. The record stays, to
 * tell an erased id from an unknown one.
 * KEYS task, chunks
 * ARGV now, results_ms, record_ms, channel, outputs, inputs (key prefixes)
 * → 1 · 0 when there is no such task
 */
const ERASE: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${STATUS_MOVES}${SERVER}${CHUNKS}${FINISH}${HALT}
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return 0 end
-- The bytes first, as in COMMIT.
for _, index in ipairs(stored_chunks(KEYS[2])) do redis.call('DEL', ARGV[6] .. index, ARGV[5] .. index) end
if not is_terminal(status) then halt('cancelled', ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], KEYS[2]) end
redis.call('DEL', KEYS[2])
redis.call('HSETNX', KEYS[1], 'erased_at', ARGV[1])
redis.call('HSET', KEYS[1], 'chunks', 0, 'input_bytes', 0, 'result_bytes', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`,
};

/**
 * Removes the results of a finished task before their time. It keeps the number of its chunks: whose clock is behind finds
 * them missing.
 * KEYS task, chunks · ARGV now, record_ms, outputs, inputs (key prefixes) → 1 · 0 when the task has not finished, or is gone
 */
const EXPIRE_RESULTS: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${CHUNKS}${STATUS_MOVES}
local task = redis.call('HMGET', KEYS[1], 'status', 'expires_at')
if not task[1] or not is_terminal(task[1]) then return 0 end
delete_chunks(KEYS[2], ARGV[4], ARGV[3])
redis.call('HSET', KEYS[1], 'input_bytes', 0, 'result_bytes', 0)
if task[2] and tonumber(task[2]) > tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'expires_at', ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`,
};

export const END_SCRIPTS = {
  end: END,
  erase: ERASE,
  expireResults: EXPIRE_RESULTS,
} satisfies Record<string, ScriptDefinition>;
