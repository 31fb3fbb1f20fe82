/** The steps of a task while its rows are being received. */
import type { ScriptDefinition } from './define-scripts.js';
import { CHUNKS, FINISH, SERVER } from './fragments.js';
import { STATUS_MOVES } from './status-moves.js';

/**
 * Records a task in `receiving`, unless it is recorded already, with the server that it was recorded on.
 * KEYS task · ARGV unfinished_ms, lease_ms, expires_in_ms (empty: without a deadline), then field, value, … → 1
 */
const CREATE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${SERVER}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'run_id', run_id(), 'lease_until', server_now() + ARGV[2], unpack(ARGV, 4))
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'deadline_at', server_now() + ARGV[3]) end
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1
`,
};

/**
 * Records a task that came whole, in one chunk, with this chunk: what CREATE, APPEND and SEAL do one after the other.
 * KEYS task, chunks, input · ARGV unfinished_ms, expires_in_ms (empty: without a deadline), rows, bytes, then field, value, …
 * → the task record, as the hash's fields and values
 */
const CREATE_WHOLE: ScriptDefinition = {
  numberOfKeys: 3,
  lua: `${SERVER}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 5))
  redis.call('HSET', KEYS[1], 'status', 'pending', 'sealed', 1, 'chunks', 1, 'input_bytes', #ARGV[4],
    'total', ARGV[3], 'pending', ARGV[3])
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'deadline_at', server_now() + ARGV[2]) end
  redis.call('HSET', KEYS[2], 0, 'pending 0 ' .. ARGV[3])
  redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return redis.call('HGETALL', KEYS[1])
`,
};

/**
 * Says that the upload goes on.
 * KEYS task · ARGV lease_ms → 1 · 0 when the task is received no longer
 */
const RENEW: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${SERVER}
if redis.call('HGET', KEYS[1], 'status') ~= 'receiving' then return 0 end
redis.call('HSET', KEYS[1], 'lease_until', server_now() + ARGV[1])
return 1
`,
};

/**
 * Stores a chunk and counts its rows as pending.
 * KEYS task, chunks, input · ARGV index, first_row, rows, bytes, unfinished_ms
 * → `stored` · `stopped` when the task takes no more chunks · `gone` when there is no such task
 */
const APPEND: ScriptDefinition = {
  numberOfKeys: 3,
  lua: `${STATUS_MOVES}
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'receiving' then return status and 'stopped' or 'gone' end
if redis.call('HSETNX', KEYS[2], ARGV[1], 'pending ' .. ARGV[2] .. ' ' .. ARGV[3]) == 0 then return 'stored' end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
redis.call('HINCRBY', KEYS[1], 'chunks', 1)
redis.call('HINCRBY', KEYS[1], 'input_bytes', #ARGV[4])
ledger('total', tonumber(ARGV[3]))
ledger('pending', tonumber(ARGV[3]))
return 'stored'
`,
};

/**
 * Ends the upload: no chunk comes any more, and all that were stored are there.
 * KEYS task, chunks · ARGV now, results_ms, record_ms, channel, outputs, inputs (key prefixes), number of chunks
 * → the task record, as the hash's fields and values; empty when Redis has lost the task or some of its chunks
 */
const SEAL: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${STATUS_MOVES}${CHUNKS}${FINISH}
if redis.call('HGET', KEYS[1], 'status') == 'receiving' then
  if count('chunks') ~= tonumber(ARGV[7]) then return {} end
  redis.call('HSET', KEYS[1], 'sealed', '1')
  move(redis.call('HEXISTS', KEYS[1], 'started_at') == 1 and 'running' or 'pending')
  finish_if_done(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], KEYS[2])
end
return redis.call('HGETALL', KEYS[1])
`,
};

/**
 * Fails a task whose upload broke off: nothing of its rows is kept. If Redis was restarted, or another has taken its place,
 * the task may have been accepted, and what said so is lost: it fails as `task_lost` then.
 * KEYS task, chunks · ARGV now, record_ms, channel, inputs (key prefix), outputs (key prefix), message, `lapsed` for one
 *      whose lease has run out, or empty for any
 * → 1 when it was still receiving
 */
const ABORT: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${CHUNKS}${STATUS_MOVES}${SERVER}
local task = redis.call('HMGET', KEYS[1], 'status', 'lease_until', 'run_id', 'id')
if task[1] ~= 'receiving' then return 0 end
if ARGV[7] == 'lapsed' and server_now() < tonumber(task[2] or 0) then return 0 end
delete_chunks(KEYS[2], ARGV[4], ARGV[5])
for _, outcome in ipairs({'pending', 'running', 'succeeded', 'invalid'}) do
  ledger('failed', count(outcome))
  redis.call('HSET', KEYS[1], outcome, 0)
end
move('failed')
local code = task[3] == run_id() and 'upload_aborted' or 'task_lost'
redis.call('HSET', KEYS[1], 'chunks', 0, 'input_bytes', 0, 'result_bytes', 0, 'finished_at', ARGV[1])
redis.call('HSET', KEYS[1], 'error_code', code, 'error_message', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], task[4])
return 1
`,
};

/**
 * Whether the server may have forgotten something of a task that is being received.
 * KEYS task → 1 when it has been restarted, or has taken another's place, since the task was recorded
 */
const IS_INTERRUPTED: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${SERVER}
local task = redis.call('HMGET', KEYS[1], 'status', 'run_id')
return task[1] == 'receiving' and task[2] ~= run_id() and 1 or 0
`,
};

/**
 * Removes a task that was refused in mid-upload, with every key it has.
 * KEYS task, chunks · ARGV inputs (key prefix), outputs (key prefix) → 1
 */
const DISCARD: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${CHUNKS}
delete_chunks(KEYS[2], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
`,
};

export const UPLOAD_SCRIPTS = {
  create: CREATE,
  createWhole: CREATE_WHOLE,
  renew: RENEW,
  append: APPEND,
  seal: SEAL,
  abort: ABORT,
  isInterrupted: IS_INTERRUPTED,
  discard: DISCARD,
} satisfies Record<string, ScriptDefinition>;
