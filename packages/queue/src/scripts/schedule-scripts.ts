/**
 * The steps of a schedule as an object, each one script. Each stands being sent again after a lost reply. Times are
 * milliseconds since the epoch.
 */
import { SCHEDULE_MS } from '../keys.js';
import type { ScriptDefinition } from './define-scripts.js';

/**
 * Records a schedule, or another definition of it. Dates that passed while it was disabled, not there, or due at other times
 * are not due: the watermark begins anew. One from a file wins over one that was made by a request, and is only replaced by a file that
 * was written later.
 * KEYS schedule
 * ARGV now, watermark, definition, client, origin (`api` or `file`), when the file was written, enabled (1 or 0), its times
 * (cron and zone), mode: `create`, `replace`, or the revision that the schedule must have
 * → `created` · `replaced` · `same` · `exists` (or is another client's) · `from_file` · `changed` (another revision) · `older` (the file)
 */
const PUT: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local now, watermark, definition, client, origin, file_at, enabled, times, mode = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1], 'definition', 'client', 'origin', 'file_at', 'revision', 'enabled', 'times')
if origin == 'file' then
  if found[3] == 'file' then
    if tonumber(file_at) < tonumber(found[4]) then return 'older' end
    redis.call('HSET', KEYS[1], 'seen_at', now)
  end
else
  local is_same = found[1] == definition and found[3] == origin
  if found[1] and (found[2] ~= client or mode == 'create' and not is_same) then return 'exists' end
  if found[3] == 'file' then return 'from_file' end
  if mode ~= 'create' and mode ~= 'replace' and found[5] ~= mode then return 'changed' end
end
if found[1] == definition and found[2] == client and found[3] == origin then
  redis.call('HSET', KEYS[1], 'file_at', file_at)
  return 'same'
end
redis.call('HSET', KEYS[1], 'definition', definition, 'client', client, 'origin', origin, 'file_at', file_at,
  'enabled', enabled, 'times', times, 'updated_at', now, 'seen_at', now)
redis.call('HSETNX', KEYS[1], 'created_at', now)
redis.call('HINCRBY', KEYS[1], 'revision', 1)
local goes_on = found[6] == '1' and found[7] == times
if not goes_on then redis.call('HSET', KEYS[1], 'watermark', watermark) end
redis.call('PEXPIRE', KEYS[1], ${SCHEDULE_MS})
return found[1] and 'replaced' or 'created'
`,
};

/** Removes the client's schedule; its runs stay for their time. KEYS schedule · ARGV client → `removed` · `gone` · `from_file` */
const REMOVE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local found = redis.call('HMGET', KEYS[1], 'client', 'origin')
if found[1] ~= ARGV[1] then return 'gone' end
if found[2] == 'file' then return 'from_file' end
redis.call('DEL', KEYS[1])
return 'removed'
`,
};

/** Notes that there is a file of the schedule, though it does not hold. KEYS schedule · ARGV now */
const SEEN: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
if redis.call('HGET', KEYS[1], 'origin') == 'file' then redis.call('HSET', KEYS[1], 'seen_at', ARGV[1]) end
`,
};

/**
 * Gives up a schedule whose file nobody has seen for a while: from the first moment on any file of its name is taken, however
 * old, and goes on where it was; from the second on it is gone.
 * KEYS schedule · ARGV the moments since which nobody must have seen it, the later one first → `removed` · `released` · `kept`
 */
const RELEASE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local found = redis.call('HMGET', KEYS[1], 'origin', 'seen_at')
if found[1] ~= 'file' or tonumber(found[2]) >= tonumber(ARGV[1]) then return 'kept' end
if tonumber(found[2]) >= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'file_at', 0)
  return 'released'
end
redis.call('DEL', KEYS[1])
return 'removed'
`,
};

/** Notes that a name is a schedule's. KEYS names · ARGV name, how many there may be → 1 · 0 when there are as many */
const INDEX: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `
local is_new = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0
if is_new and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${SCHEDULE_MS})
return 1
`,
};

export const SCHEDULE_SCRIPTS = {
  indexSchedule: INDEX,
  putSchedule: PUT,
  removeSchedule: REMOVE,
  seenSchedule: SEEN,
  releaseSchedule: RELEASE,
} satisfies Record<string, ScriptDefinition>;
