/** The steps of a chunk: begun, taken back, committed once. */
import { COMPUTED_STEPS } from '@millrace/batch/step-seconds';
import type { ScriptDefinition } from './define-scripts.js';
import { CHUNKS, FINISH, HALT, SERVER } from './fragments.js';
import { STATUS_MOVES } from './status-moves.js';

/** The bytes of a larger chunk are read by a command of their own: through a script they would be copied three times over. */
const HANDED_OUT_BYTES_MAX = 65_536;

/**
 * Starts a chunk: counts its rows as running and hands out its bytes. A task that is still being received stays so.
 * KEYS task, chunks, input
 * ARGV index, now, results_ms, record_ms, channel, outputs, inputs (key prefixes), then the pins of the models that the
 *      worker serves
 * → {`gone`}: the task has ended, perhaps just now by its deadline · {`done`}
 * · {`unserved`, first_row, rows, model, request_id}: nothing was started
 * · {`lost`, first_row, rows, model, request_id} when the input bytes are missing
 * · {`started`, first_row, rows, model, request_id, format, columns, fingerprint, bytes or nothing when they are many,
 *      server time in microseconds}
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
local length = redis.call('STRLEN', KEYS[3])
if length == 0 then return {'lost', first_row, rows, task[1], task[2]} end
local bytes = length <= ${HANDED_OUT_BYTES_MAX} and redis.call('GET', KEYS[3])
return {'started', first_row, rows, task[1], task[2], task[3], task[4], task[5], bytes,
  string.format('%.0f', server_us())}
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
 *      prefixes), progress channel, microseconds of the steps up to encoding and the server time at its end in
 *      microseconds (empty: not measured), how many codes of errors, for each of them code, count, examples, then segment
 *      name, bytes, …
 * → {`committed`} · {`finished`, expires_at, result_bytes} when that ended the task · {`done`} when another run was first · {`gone`}
 */
const COMMIT: ScriptDefinition = {
  numberOfKeys: 4,
  lua: `${STATUS_MOVES}${SERVER}${CHUNKS}${FINISH}${HALT}
local status = redis.call('HGET', KEYS[1], 'status')
if not status or is_terminal(status) then return {'gone'} end
if is_due() then
  halt('expired', ARGV[5], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], KEYS[2])
  return {'gone'}
end
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return {'gone'} end
local state, first_row, rows = string.match(entry, '^(%a+) (%d+) (%d+)$')
if state == 'done' then return {'done'} end
if ARGV[2] + ARGV[3] + ARGV[4] ~= tonumber(rows) then
  return redis.error_reply('ERR the counts of chunk ' .. ARGV[1] .. ' do not sum to its ' .. rows .. ' rows')
end
local segments = 19 + 3 * ARGV[18]
local errors = 0
for index = 19, segments - 1, 3 do errors = errors + ARGV[index + 1] end
if ARGV[3] + ARGV[4] ~= errors then
  return redis.error_reply('ERR the errors of chunk ' .. ARGV[1] .. ' do not sum to its rows without a prediction')
end
-- First what makes room: a Redis that is full takes the writes of a script that began with one that takes none.
local input_bytes = redis.call('STRLEN', KEYS[3])
if ARGV[4] == '0' then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[2], ARGV[1], 'done ' .. first_row .. ' ' .. rows)
for index = 19, segments - 1, 3 do
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
if ARGV[17] ~= '' then
  for at, step in ipairs({${COMPUTED_STEPS.map((step) => `'${step}'`).join(', ')}}) do
    redis.call('HINCRBY', KEYS[1], 'us:' .. step, ARGV[12 + at])
  end
  redis.call('HINCRBY', KEYS[1], 'us:commit', string.format('%.0f', math.max(0, server_us() - ARGV[17])))
end
if finish_if_done(ARGV[5], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], KEYS[2]) then
  local task = redis.call('HMGET', KEYS[1], 'expires_at', 'result_bytes')
  return {'finished', task[1], task[2]}
end
redis.call('PUBLISH', ARGV[12], redis.call('HGET', KEYS[1], 'id'))
return {'committed'}
`,
};

export const CHUNK_SCRIPTS = {
  begin: BEGIN,
  release: RELEASE,
  commit: COMMIT,
} satisfies Record<string, ScriptDefinition>;
