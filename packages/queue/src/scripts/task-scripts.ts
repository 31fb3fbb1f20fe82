/**
 * The steps of a task that must happen whole or not at all, each one script. All keys share the task's hash tag. Each may
 * be sent again after a lost reply: the second run changes nothing and answers so that the caller goes on.
 */
import type { ScriptDefinition } from './define-scripts.js';
import { CHUNKS, FINISH, HALT, SERVER, STATUS_MOVES } from './status-moves.js';

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

/**
 * Starts a chunk: counts its rows as running and hands out its bytes. A task that is still being received stays so.
 * KEYS task, chunks, input
 * ARGV index, now, results_ms, record_ms, channel, outputs, inputs (key prefixes), then the pins of the models that the
 *      worker serves
 * → {`gone`}: the task has ended, perhaps just now by its deadline · {`done`}
 * · {`unserved`, first_row, rows, model, request_id}: nothing was started
 * · {`lost`, first_row, rows, model, request_id} when the input bytes are missing
 * · {`started`, first_row, rows, model, request_id, format, columns, fingerprint, bytes}
 */
const BEGIN: ScriptDefinition = {
  numberOfKeys: 3,
  answersBytes: true,
  lua: `${STATUS_MOVES}${SERVER}${CHUNKS}${FINISH}${HALT}
local status = redis.call('HGET', KEYS[1], 'status')
if not status or is_terminal(status) then return {'gone'} end
if is_due() then
  halt('expired', ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], KEYS[2])
  return {'gone'}
end
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return {'gone'} end
local state, first_row, rows = string.match(entry, '^(%a+) (%d+) (%d+)$')
if state == 'done' then return {'done'} end
local task = redis.call('HMGET', KEYS[1], 'model', 'request_id', 'format', 'columns', 'fingerprint')
local is_served = false
for index = 8, #ARGV do is_served = is_served or ARGV[index] == task[1] .. ' ' .. task[5] end
if not is_served then return {'unserved', first_row, rows, task[1], task[2]} end
if state == 'pending' then
  redis.call('HSET', KEYS[2], ARGV[1], 'running ' .. first_row .. ' ' .. rows)
  ledger('pending', -tonumber(rows))
  ledger('running', tonumber(rows))
  redis.call('HSETNX', KEYS[1], 'started_at', ARGV[2])
  if status == 'pending' then move('running') end
end
local bytes = redis.call('GET', KEYS[3])
if not bytes then return {'lost', first_row, rows, task[1], task[2]} end
return {'started', first_row, rows, task[1], task[2], task[3], task[4], task[5], bytes}
`,
};

/**
 * Takes a chunk back that was begun and is to be begun again, by whichever worker.
 * KEYS task, chunks · ARGV index → 1 when it was running
 */
const RELEASE: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${STATUS_MOVES}
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return 0 end
local state, first_row, rows = string.match(entry, '^(%a+) (%d+) (%d+)$')
if state ~= 'running' then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], 'pending ' .. first_row .. ' ' .. rows)
ledger('running', -tonumber(rows))
ledger('pending', tonumber(rows))
return 1
`,
};

/**
 * Commits a chunk once: its result, the ledger, the task's status and the event, or nothing. Its bytes go, unless rows of
 * it failed: a retry takes them from there.
 * KEYS task, chunks, input, output
 * ARGV index, succeeded, invalid, failed, now, unfinished_ms, results_ms, record_ms, channel, outputs, inputs (key
 *      prefixes), progress channel, how many codes of errors, for each of them code, count, examples, then segment name,
 *      bytes, …
 * → `committed` · `finished` when that ended the task · `done` when another run was first · `gone`
 */
const COMMIT: ScriptDefinition = {
  numberOfKeys: 4,
  lua: `${STATUS_MOVES}${SERVER}${CHUNKS}${FINISH}${HALT}
local status = redis.call('HGET', KEYS[1], 'status')
if not status or is_terminal(status) then return 'gone' end
if is_due() then
  halt('expired', ARGV[5], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], KEYS[2])
  return 'gone'
end
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return 'gone' end
local state, first_row, rows = string.match(entry, '^(%a+) (%d+) (%d+)$')
if state == 'done' then return 'done' end
if ARGV[2] + ARGV[3] + ARGV[4] ~= tonumber(rows) then
  return redis.error_reply('ERR the counts of chunk ' .. ARGV[1] .. ' do not sum to its ' .. rows .. ' rows')
end
local segments = 14 + 3 * ARGV[13]
local errors = 0
for index = 14, segments - 1, 3 do errors = errors + ARGV[index + 1] end
if ARGV[3] + ARGV[4] ~= errors then
  return redis.error_reply('ERR the errors of chunk ' .. ARGV[1] .. ' do not sum to its rows without a prediction')
end
-- First what makes room: a Redis that is full takes the writes of a script that began with one that takes none.
local input_bytes = redis.call('STRLEN', KEYS[3])
if ARGV[4] == '0' then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[2], ARGV[1], 'done ' .. first_row .. ' ' .. rows)
for index = 14, segments - 1, 3 do
  redis.call('HINCRBY', KEYS[1], 'errors:' .. ARGV[index], ARGV[index + 1])
  add_examples(KEYS[2], ARGV[index], ARGV[index + 2])
end
local bytes = ARGV[4] == '0' and 0 or input_bytes
for index = segments, #ARGV, 2 do
  redis.call('HSET', KEYS[4], ARGV[index], ARGV[index + 1])
  bytes = bytes + #ARGV[index + 1]
end
redis.call('PEXPIRE', KEYS[4], ARGV[6])
redis.call('HINCRBY', KEYS[1], 'input_bytes', 0 - input_bytes)
redis.call('HINCRBY', KEYS[1], 'result_bytes', bytes)
ledger(state, -tonumber(rows))
ledger('succeeded', tonumber(ARGV[2]))
ledger('invalid', tonumber(ARGV[3]))
ledger('failed', tonumber(ARGV[4]))
redis.call('HINCRBY', KEYS[1], 'done', 1)
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[5])
if finish_if_done(ARGV[5], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], KEYS[2]) then return 'finished' end
redis.call('PUBLISH', ARGV[12], redis.call('HGET', KEYS[1], 'id'))
return 'committed'
`,
};

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
 * Removes the results of a finished task before their time.
 * KEYS task, chunks · ARGV now, record_ms, outputs, inputs (key prefixes) → 1 · 0 when the task has not finished, or is gone
 */
const EXPIRE_RESULTS: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${CHUNKS}${STATUS_MOVES}
local task = redis.call('HMGET', KEYS[1], 'status', 'expires_at')
if not task[1] or not is_terminal(task[1]) then return 0 end
delete_chunks(KEYS[2], ARGV[4], ARGV[3])
redis.call('HSET', KEYS[1], 'chunks', 0, 'input_bytes', 0, 'result_bytes', 0)
if task[2] and tonumber(task[2]) > tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'expires_at', ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`,
};

export const TASK_SCRIPTS = {
  create: CREATE,
  renew: RENEW,
  append: APPEND,
  seal: SEAL,
  abort: ABORT,
  isInterrupted: IS_INTERRUPTED,
  discard: DISCARD,
  begin: BEGIN,
  release: RELEASE,
  commit: COMMIT,
  end: END,
  erase: ERASE,
  expireResults: EXPIRE_RESULTS,
} satisfies Record<string, ScriptDefinition>;
