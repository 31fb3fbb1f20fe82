/** The Lua that several scripts of a task share. */
import { EXAMPLES_MAX } from '@millrace/batch/results/error-groups';
import { EXAMPLES } from './error-groups.js';

/**
 * Defines `server_now()`, in milliseconds by the clock of Redis, the only one that all processes share; `server_us()`, the
 * same in microseconds; and `run_id()`, which names this run of the server: another after every restart, and on a replica
 * that has been promoted.
 */
export const SERVER = `
local function server_now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function server_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
end
`;

/**
 * Defines `stored_chunks(chunks_key)`, their indices, and `delete_chunks(chunks_key, inputs, outputs)`, which
 * removes every byte of them. By the table and not by their number: of an upload that broke off, an earlier
 * one may be missing while a later one was stored.
 */
export const CHUNKS = `
local function stored_chunks(chunks_key)
  local indices = {}
  for _, field in ipairs(redis.call('HKEYS', chunks_key)) do
    if string.match(field, '^%d+$') then indices[#indices + 1] = field end
  end
  return indices
end
local function delete_chunks(chunks_key, inputs, outputs)
  for _, index in ipairs(stored_chunks(chunks_key)) do redis.call('DEL', inputs .. index, outputs .. index) end
  redis.call('DEL', chunks_key)
end
`;

/**
 * Needs CHUNKS.
 * Defines `finish_if_done(now, results_ms, record_ms, channel, outputs, inputs, chunks_key)`: when the upload
 * has ended and every chunk is done, gives the task its final status, starts the lifetime of its results and
 * of the inputs that are left for a retry, and publishes its id.
 */
export const FINISH = `
local function expire_results(now, results_ms, record_ms, outputs, inputs, chunks_key)
  for _, index in ipairs(stored_chunks(chunks_key)) do
    redis.call('PEXPIRE', outputs .. index, results_ms)
    redis.call('PEXPIRE', inputs .. index, results_ms)
  end
  redis.call('PEXPIRE', chunks_key, results_ms)
  redis.call('HSET', KEYS[1], 'finished_at', now, 'expires_at', now + results_ms)
  redis.call('PEXPIRE', KEYS[1], results_ms + record_ms)
end
local function finish_if_done(now, results_ms, record_ms, channel, outputs, inputs, chunks_key)
  local task = redis.call('HMGET', KEYS[1], 'sealed', 'chunks', 'done', 'id')
  if task[1] ~= '1' or task[2] ~= task[3] then return false end
  if not move(final_status()) then return false end
  expire_results(tonumber(now), tonumber(results_ms), tonumber(record_ms), outputs, inputs, chunks_key)
  redis.call('PUBLISH', channel, task[4])
  return true
end
`;

/**
 * Needs SERVER and FINISH.
 * Defines `halt(outcome, now, results_ms, record_ms, channel, outputs, inputs, chunks_key)`: ends a task at
 * once; the rows of every chunk that is not done get the outcome, `cancelled` or `expired`, and the first of
 * them are kept as examples. Their bytes stay for a retry, as long as the results. And `is_due()`: its
 * deadline has passed.
 * Defines `add_examples`, too.
 */
export const HALT = `${EXAMPLES}
local function first_rows(halted)
  table.sort(halted, function(a, b) return a.first_row < b.first_row end)
  local lines = {}
  for at = 1, math.min(#halted, ${EXAMPLES_MAX}) do
    for place = 0, math.min(halted[at].rows, ${EXAMPLES_MAX}) - 1 do
      local row = string.format('%.0f', halted[at].first_row + place)
      lines[#lines + 1] = row .. ' {"row":' .. row .. '}'
    end
  end
  return table.concat(lines, '\\n')
end
local function halt(outcome, now, results_ms, record_ms, channel, outputs, inputs, chunks_key)
  -- First a write that takes no memory: after it, a Redis that is full takes the others, too.
  redis.call('PEXPIRE', chunks_key, tonumber(results_ms))
  local entries = redis.call('HGETALL', chunks_key)
  local halted = {}
  for at = 1, #entries, 2 do
    local state, first_row, rows = string.match(entries[at + 1], '^(%a+) (%d+) (%d+)$')
    if state == 'pending' or state == 'running' then
      redis.call('HSET', chunks_key, entries[at], outcome .. ' ' .. first_row .. ' ' .. rows)
      ledger(state, -tonumber(rows))
      ledger(outcome, tonumber(rows))
      halted[#halted + 1] = {first_row = tonumber(first_row), rows = tonumber(rows)}
    end
  end
  redis.call('HINCRBY', KEYS[1], 'result_bytes', count('input_bytes'))
  redis.call('HSET', KEYS[1], 'input_bytes', 0)
  if #halted > 0 then add_examples(chunks_key, outcome, first_rows(halted)) end
  move(outcome)
  expire_results(tonumber(now), tonumber(results_ms), tonumber(record_ms), outputs, inputs, chunks_key)
  redis.call('PUBLISH', channel, redis.call('HGET', KEYS[1], 'id'))
end
local function is_due()
  local deadline = redis.call('HGET', KEYS[1], 'deadline_at')
  return deadline and server_now() >= tonumber(deadline)
end
`;
