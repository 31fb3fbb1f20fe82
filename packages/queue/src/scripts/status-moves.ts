/** The status table and the ledger's rules in Lua, generated from the ones in packages/batch. */
import { OUTCOMES } from '@millrace/batch/ledger';
import { MOVES } from '@millrace/batch/status';

const TABLE = Object.entries(MOVES)
  .map(([from, targets]) => `${from} = {${targets.map((to) => `${to} = true`).join(', ')}}`)
  .join(', ');

/**
 * Defines for the task hash at KEYS[1]:
 * `move(to)` sets the status if the table allows it, true when it did;
 * `is_terminal(status)`;
 * `ledger(outcome, by)` adds rows to an outcome;
 * `final_status()` mirrors `finalStatus` in packages/batch/src/ledger.ts.
 */
export const STATUS_MOVES = `
local MOVES = {${TABLE}}
local function is_terminal(status)
  return next(MOVES[status]) == nil
end
local function move(to)
  local from = redis.call('HGET', KEYS[1], 'status')
  if not MOVES[from][to] then return false end
  redis.call('HSET', KEYS[1], 'status', to)
  return true
end
local function ledger(outcome, by)
  if by ~= 0 then redis.call('HINCRBY', KEYS[1], outcome, by) end
end
local function count(outcome)
  return tonumber(redis.call('HGET', KEYS[1], outcome) or 0)
end
local function final_status()
  if count('succeeded') == count('total') then return 'succeeded' end
  if count('cancelled') > 0 then return 'cancelled' end
  if count('expired') > 0 then return 'expired' end
  return count('succeeded') > 0 and 'partially_succeeded' or 'failed'
end
`;

/** The ledger of a task without rows, as field-value pairs. */
export const EMPTY_LEDGER: Readonly<Record<string, number>> = Object.fromEntries(
  ['total', ...OUTCOMES].map((outcome) => [outcome, 0]),
);
