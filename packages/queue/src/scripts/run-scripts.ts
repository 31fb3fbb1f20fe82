/**
 * The steps of a schedule and its runs that must happen whole or not at all, each one script. All keys of one schedule share
 * a hash tag; KEYS[1] is what they begin with, and no key itself. Each stands being sent again after a lost reply. Times are
 * milliseconds since the epoch.
 *
 * A run that has not ended is in its lane, by when it is due: `schedule` (those that the clock has made, missed ones that
 * are made up for among them), `backfill` or `manual`; those that have begun are before all others. It may begin when fewer
 * runs are before it in its lane than may run side by side there.
 *
 * A name that one client has given up may be another's: what has ended of the first one's runs makes way.
 */
import { isRunOver, RUN_STATUSES } from '@millrace/schedule/run';
import { RUN_KEPT_MS, SCHEDULE_MS } from '../keys.js';
import type { ScriptDefinition } from './define-scripts.js';

/** Runs that are remembered of one schedule; the oldest that have ended go first. */
const RUNS_KEPT = 1_000;
/** Runs of one lane that have not ended. */
export const OPEN_RUNS_MAX = 1_000;
/** Definitions that are kept of one schedule, but for those that its runs were made with. */
const DEFINITIONS_KEPT = 50;
/** Alarms that wait to be taken. */
const OUTBOX_MAX = 1_000;

const BASE = `
local base = KEYS[1]
local function run_key(date) return base .. 'run:' .. date end
local function lane_key(lane) return base .. 'open:' .. lane end
local open_statuses = {${RUN_STATUSES.filter((status) => !isRunOver(status))
  .map((status) => `${status} = true`)
  .join(', ')}}
local function has_ended(status) return not open_statuses[status] end
local function push_alarms(alarms)
  if alarms == '' then return end
  for _, alarm in ipairs(cjson.decode(alarms)) do redis.call('RPUSH', base .. 'outbox', alarm) end
  redis.call('LTRIM', base .. 'outbox', -${OUTBOX_MAX}, -1)
  redis.call('PEXPIRE', base .. 'outbox', ${RUN_KEPT_MS})
end
local function end_run(date, lane, status, now)
  redis.call('HSET', run_key(date), 'status', status, 'finished_at', now)
  redis.call('PEXPIRE', run_key(date), ${RUN_KEPT_MS})
  redis.call('ZREM', lane_key(lane), date)
end
local function ask_to_cancel(date, reason, now)
  local run = redis.call('HMGET', run_key(date), 'status', 'lane')
  if run[1] == 'running' then redis.call('HSETNX', run_key(date), 'cancel', reason) end
  if run[1] == 'waiting' then
    redis.call('HSET', run_key(date), 'cancel', reason)
    end_run(date, run[2], 'cancelled', now)
  end
  return run[1]
end
`;

/**
 * Needs BASE. Defines `status_for(date, client)`, false when there is no such run or it makes way, `add_run(run, now)` for
 * such a one, `clear_run(date)` for one that runs again, and `forget_oldest()`.
 */
const ADD = `
local function status_for(date, client)
  local run = redis.call('HMGET', run_key(date), 'status', 'client')
  if run[1] and has_ended(run[1]) and run[2] ~= client then return false end
  return run[1]
end
-- The attempts are counted on: whoever still holds an earlier one has lost it.
local function clear_run(date)
  redis.call('HDEL', run_key(date), 'task', 'model', 'accepted', 'written_rows', 'written', 'rows', 'error_code',
    'error_message', 'cancel', 'started_at', 'finished_at', 'late_at')
end
local function open_run(run)
  local score = string.format('%.0f', run.due_at)
  redis.call('PEXPIRE', run_key(run.logical_date), ${SCHEDULE_MS})
  redis.call('ZADD', lane_key(run.lane), score, run.logical_date)
  redis.call('PEXPIRE', lane_key(run.lane), ${SCHEDULE_MS})
end
local function add_run(run, now)
  local score = string.format('%.0f', run.due_at)
  clear_run(run.logical_date)
  redis.call('HSET', run_key(run.logical_date), 'logical_date', run.logical_date, 'due_at', score, 'lane', run.lane,
    'trigger', run.trigger, 'status', run.status, 'parallel', run.parallel, 'created_at', now)
  redis.call('HSETNX', run_key(run.logical_date), 'attempt', 0)
  redis.call('ZADD', base .. 'runs', score, run.logical_date)
  redis.call('PEXPIRE', base .. 'runs', ${SCHEDULE_MS})
  if has_ended(run.status) then end_run(run.logical_date, run.lane, run.status, now) else open_run(run) end
end
-- Kept once for all runs that were made with it.
local function define(date, definition, digest)
  redis.call('HSET', base .. 'definitions', digest, definition)
  redis.call('PEXPIRE', base .. 'definitions', ${SCHEDULE_MS})
  redis.call('HSET', run_key(date), 'definition', digest)
end
local function forget_definitions()
  if redis.call('HLEN', base .. 'definitions') <= ${DEFINITIONS_KEPT} then return end
  local used = {}
  for _, date in ipairs(redis.call('ZRANGE', base .. 'runs', 0, -1)) do
    used[redis.call('HGET', run_key(date), 'definition') or ''] = true
  end
  for _, digest in ipairs(redis.call('HKEYS', base .. 'definitions')) do
    if not used[digest] then redis.call('HDEL', base .. 'definitions', digest) end
  end
end
local function forget_oldest()
  forget_definitions()
  local surplus = redis.call('ZCARD', base .. 'runs') - ${RUNS_KEPT}
  if surplus <= 0 then return end
  for _, date in ipairs(redis.call('ZRANGE', base .. 'runs', 0, surplus - 1)) do
    local status = redis.call('HGET', run_key(date), 'status')
    if not status or has_ended(status) then
      redis.call('DEL', run_key(date))
      redis.call('ZREM', base .. 'runs', date)
    end
  end
end
`;

/**
 * Makes the runs of the dates that have come, and notes up to when they have, if nobody has done so meanwhile. Where as many
 * wait as may, a run is skipped, or missed when it was to be made up for.
 * KEYS base · ARGV now, revision, watermark that was read, new watermark, runs as JSON, definition, client, overlap, alarms, digest of the definition
 * → per run its status, empty when there was one · false when the schedule has another revision or watermark by now
 */
const ADVANCE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}${ADD}
local now, overlap = ARGV[1], ARGV[8]
local schedule = base .. 'schedule'
local found = redis.call('HMGET', schedule, 'revision', 'watermark')
if found[1] ~= ARGV[2] or found[2] ~= ARGV[3] then return false end
local statuses = {}
for at, run in ipairs(cjson.decode(ARGV[5])) do
  statuses[at] = ''
  if not status_for(run.logical_date, ARGV[7]) then
    local open = redis.call('ZCARD', lane_key('schedule'))
    if run.status == 'waiting' and run.trigger == 'schedule' and open > 0 then
      if overlap == 'skip' then run.status = 'skipped' end
      if overlap == 'cancel_previous' then
        for _, date in ipairs(redis.call('ZRANGE', lane_key('schedule'), 0, -1)) do
          ask_to_cancel(date, 'overlap', now)
        end
        open = redis.call('ZCARD', lane_key('schedule'))
      end
    end
    if run.status == 'waiting' and open >= ${OPEN_RUNS_MAX} then
      run.status = run.trigger == 'catch_up' and 'missed' or 'skipped'
    end
    add_run(run, now)
    statuses[at] = run.status
    define(run.logical_date, ARGV[6], ARGV[10])
    redis.call('HSET', run_key(run.logical_date), 'client', ARGV[7], 'revision', ARGV[2])
  end
end
push_alarms(ARGV[9])
forget_oldest()
redis.call('HSET', schedule, 'watermark', ARGV[4])
redis.call('PEXPIRE', schedule, ${SCHEDULE_MS})
return statuses
`,
};

/**
 * Makes runs that somebody asks for, all of one lane. One that there is stays as it is, unless it has ended and is to run again.
 * KEYS base · ARGV now, runs as JSON, definition, client, revision, again: \`never\`, \`unsuccessful\` or \`always\`, digest of the
 * definition
 * → per run \`created\`, \`again\` or \`exists\` · {\`full\`} when too many have not ended
 */
const ADD_RUNS: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}${ADD}
local now, again = ARGV[1], ARGV[6]
local runs = cjson.decode(ARGV[2])
local replies, added = {}, 0
for at, run in ipairs(runs) do
  local status = status_for(run.logical_date, ARGV[4])
  local is_success = status == 'succeeded' or status == 'partially_succeeded'
  if not status then
    replies[at] = 'created'
  elseif has_ended(status) and (again == 'always' or again == 'unsuccessful' and not is_success) then
    replies[at] = 'again'
  else
    replies[at] = 'exists'
  end
  if replies[at] ~= 'exists' then added = added + 1 end
end
if added > 0 and redis.call('ZCARD', lane_key(runs[1].lane)) + added > ${OPEN_RUNS_MAX} then return {'full'} end
for at, run in ipairs(runs) do
  local key = run_key(run.logical_date)
  if replies[at] == 'created' then add_run(run, now) end
  if replies[at] == 'again' then
    clear_run(run.logical_date)
    redis.call('HSET', key, 'lane', run.lane, 'trigger', run.trigger, 'status', 'waiting', 'parallel', run.parallel)
    open_run(run)
  end
  if replies[at] ~= 'exists' then
    define(run.logical_date, ARGV[3], ARGV[7])
    redis.call('HSET', key, 'client', ARGV[4], 'revision', ARGV[5])
  end
end
forget_oldest()
return replies
`,
};

/**
 * Begins a run, or goes on with one whose process has ended, if it is its turn. Every attempt has a number, and only the
 * last one may change the run from then on.
 * KEYS base · ARGV date, now → the record as a flat list · {\`wait\`} · {\`ended\`} · {\`gone\`}
 */
const START: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
local key = run_key(ARGV[1])
local run = redis.call('HMGET', key, 'status', 'lane', 'parallel')
if not run[1] then return {'gone'} end
if has_ended(run[1]) then return {'ended'} end
if run[1] == 'waiting' then
  local place = redis.call('ZRANK', lane_key(run[2]), ARGV[1])
  if not place or place >= tonumber(run[3]) then return {'wait'} end
  redis.call('HSET', key, 'status', 'running', 'started_at', ARGV[2])
  -- Runs that are due earlier may still be added. It stays before them, and counts.
  redis.call('ZADD', lane_key(run[2]), 0, ARGV[1])
end
redis.call('HINCRBY', key, 'attempt', 1)
local record = redis.call('HGETALL', key)
record[#record + 1] = 'definition'
record[#record + 1] = redis.call('HGET', base .. 'definitions', redis.call('HGET', key, 'definition'))
return record
`,
};

/**
 * Notes how far an attempt has come, and says whether it may go on.
 * KEYS base · ARGV date, attempt, field and value in turns → \`ok\` · \`cancelled\` when it is to be · \`lost\` when it is another's
 */
const NOTE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
local key = run_key(ARGV[1])
local run = redis.call('HMGET', key, 'status', 'attempt', 'cancel')
if run[1] ~= 'running' or run[2] ~= ARGV[2] then return 'lost' end
for at = 3, #ARGV, 2 do redis.call('HSET', key, ARGV[at], ARGV[at + 1]) end
return run[3] and 'cancelled' or 'ok'
`,
};

/**
 * Ends a run. KEYS base · ARGV date, attempt, now, status, alarms, field and value in turns
 * → 1 · 0 when it is another's, or has ended
 */
const END: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
local key = run_key(ARGV[1])
local run = redis.call('HMGET', key, 'status', 'attempt', 'lane')
if run[1] ~= 'running' or run[2] ~= ARGV[2] then return 0 end
-- That of an earlier attempt.
redis.call('HDEL', key, 'error_code', 'error_message')
for at = 6, #ARGV, 2 do redis.call('HSET', key, ARGV[at], ARGV[at + 1]) end
end_run(ARGV[1], run[3], ARGV[4], ARGV[3])
push_alarms(ARGV[5])
return 1
`,
};

/** Asks for the end of a run. KEYS base · ARGV date, now, reason → the status that it had · false when there is none */
const CANCEL: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
return ask_to_cancel(ARGV[1], ARGV[3], ARGV[2])
`,
};

/**
 * What there is to do for a schedule beside its new dates: the runs at the head of each lane.
 * KEYS base · ARGV now, lanes → per run {date, status, due_at, whether it may begin, whether it is to be cancelled, task, late_at, trigger}
 */
const HEADS: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
local heads = {}
for at = 1, #ARGV do
  local key = lane_key(ARGV[at])
  if redis.call('EXISTS', key) == 1 then redis.call('PEXPIRE', key, ${SCHEDULE_MS}) end
  for place, date in ipairs(redis.call('ZRANGE', key, 0, 31)) do
    local run = redis.call('HMGET', run_key(date), 'status', 'due_at', 'parallel', 'cancel', 'task', 'late_at', 'trigger')
    if not run[1] then
      redis.call('ZREM', key, date)
    else
      -- Places are counted from 1.
      local may_begin = run[1] == 'running' or place <= tonumber(run[3])
      heads[#heads + 1] = {date, run[1], run[2], may_begin and 1 or 0, run[4] or '', run[5] or '', run[6] or '', run[7]}
    end
  end
end
return heads
`,
};

/** Notes, once, that a run has not begun in time. KEYS base · ARGV date, now, alarms → 1 · 0 when it was noted, or has begun */
const LATE: ScriptDefinition = {
  numberOfKeys: 1,
  lua: `${BASE}
local key = run_key(ARGV[1])
if redis.call('HGET', key, 'status') ~= 'waiting' then return 0 end
if redis.call('HSETNX', key, 'late_at', ARGV[2]) == 0 then return 0 end
push_alarms(ARGV[3])
return 1
`,
};

export const RUN_SCRIPTS = {
  advance: ADVANCE,
  addRuns: ADD_RUNS,
  startRun: START,
  noteRun: NOTE,
  endRun: END,
  cancelRun: CANCEL,
  headsOfRuns: HEADS,
  lateRun: LATE,
} satisfies Record<string, ScriptDefinition>;
