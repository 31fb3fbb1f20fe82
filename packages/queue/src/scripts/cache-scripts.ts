/** The steps of the prediction cache. Keys of rows come as one piece of bytes, 16 of them each; values as in `packed-values.ts`. */
import type { ScriptDefinition } from './define-scripts.js';

export const ROW_KEY_BYTES = 16;

/** The share of `maxmemory` from which on caches make way: before results have to, and before submissions are refused. */
export const CROWDED_SHARE = 0.75;
/** Fields in one command: Lua takes some thousands of arguments. */
const FIELDS_AT_ONCE = 1_000;

/** Defines `key_at(keys, place)`, places counting from 0. */
const ROW_KEYS = `
local function key_at(keys, place)
  return string.sub(keys, place * ${ROW_KEY_BYTES} + 1, (place + 1) * ${ROW_KEY_BYTES})
end
`;

/** What was predicted for rows. KEYS current, previous · ARGV keys → for each key its value, or that there is none */
const LOOK: ScriptDefinition = {
  numberOfKeys: 2,
  answersBytes: true,
  lua: `${ROW_KEYS}
local rows = #ARGV[1] / ${ROW_KEY_BYTES}
local packed = {}
for first = 0, rows - 1, ${FIELDS_AT_ONCE} do
  local fields, absent, places = {}, {}, {}
  for place = first, math.min(first + ${FIELDS_AT_ONCE}, rows) - 1 do fields[#fields + 1] = key_at(ARGV[1], place) end
  local values = redis.call('HMGET', KEYS[1], unpack(fields))
  for place, value in ipairs(values) do
    if not value then
      absent[#absent + 1] = fields[place]
      places[#places + 1] = place
    end
  end
  if #absent > 0 then
    for index, value in ipairs(redis.call('HMGET', KEYS[2], unpack(absent))) do values[places[index]] = value end
  end
  for _, value in ipairs(values) do
    packed[#packed + 1] = value and struct.pack('<I4', #value) .. value or '\\255\\255\\255\\255'
  end
end
return table.concat(packed)
`,
};

/**
 * Keeps predictions. A generation that is full, or has had half of its lifetime, becomes the previous one, and what was the
 * previous one goes: each row is gone when its generation's lifetime has passed.
 * KEYS current, previous · ARGV rows of a generation, lifetime_ms of a generation, keys, values
 * → how many were kept: all, or 0 where Redis is so full that the cache makes way
 */
const STORE: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `${ROW_KEYS}
local memory = redis.call('INFO', 'memory')
local used, max = string.match(memory, 'used_memory:(%d+)'), string.match(memory, 'maxmemory:(%d+)')
if tonumber(max) > 0 and tonumber(used) > tonumber(max) * ${CROWDED_SHARE} then
  redis.call('UNLINK', KEYS[1], KEYS[2])
  return 0
end
local function begin_generation()
  redis.call('UNLINK', KEYS[2])
  redis.call('RENAME', KEYS[1], KEYS[2])
  return 0
end
local limit, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HLEN', KEYS[1])
if held > 0 and redis.call('PTTL', KEYS[1]) < lifetime / 2 then held = begin_generation() end
local rows = #ARGV[3] / ${ROW_KEY_BYTES}
local at = 1
for place = 0, rows - 1 do
  local length, start = struct.unpack('<I4', ARGV[4], at)
  if held >= limit then held = begin_generation() end
  local added = redis.call('HSET', KEYS[1], key_at(ARGV[3], place), string.sub(ARGV[4], start, start + length - 1))
  if held == 0 then redis.call('PEXPIRE', KEYS[1], lifetime) end
  held = held + added
  at = start + length
end
return rows
`,
};

export const CACHE_SCRIPTS = { look: LOOK, store: STORE } satisfies Record<string, ScriptDefinition>;
