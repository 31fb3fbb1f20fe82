/**
 * The steps of an idempotency key that must happen whole or not at all, each one script. Both keys share a hash tag. Each
 * may be sent again after a lost reply: the second run changes nothing and answers as the first did.
 */
import type { ScriptDefinition } from './define-scripts.js';

/**
 * Takes the key for a task that is about to be received, if it is free.
 * KEYS claim, lease · ARGV task, lease_ms, kept_ms
 * → {`claimed`}
 * · {`in_use`} while the upload of another task holds the lease
 * · {`answered`, task, fingerprint} when a task was accepted under the key
 * · {`lapsed`, task} when the lease has run out and nobody knows yet what has become of the task
 */
const CLAIM: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
local claim = redis.call('HMGET', KEYS[1], 'task', 'answered', 'fingerprint')
if claim[2] then return {'answered', claim[1], claim[3]} end
local holder = redis.call('GET', KEYS[2])
if holder then return {holder == ARGV[1] and 'claimed' or 'in_use'} end
if claim[1] then return {'lapsed', claim[1]} end
redis.call('HSET', KEYS[1], 'task', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'claimed'}
`,
};

/**
 * Hands a lapsed claim on, once it is certain that its task was not accepted and cannot be any more.
 * KEYS claim, lease · ARGV lapsed task, task, lease_ms, kept_ms → 1 · 0 when something has happened to the claim meanwhile
 */
const TAKE_OVER: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
local holder = redis.call('GET', KEYS[2])
if holder then return holder == ARGV[2] and 1 or 0 end
if redis.call('HGET', KEYS[1], 'task') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'task', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
`,
};

/**
 * Holds the key for another while, and with a fingerprint says what was received, before the task is sealed. A lease that
 * has run out is taken again as long as nobody has taken the claim over.
 * KEYS claim, lease · ARGV task, lease_ms, kept_ms, fingerprint or empty → 1 · 0 when the claim is another's
 */
const HOLD: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
local claim = redis.call('HMGET', KEYS[1], 'task', 'answered')
if claim[1] ~= ARGV[1] then return 0 end
if claim[2] then return 1 end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'fingerprint', ARGV[4]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
`,
};

/**
 * Makes an accepted task the answer to every further request with the key.
 * KEYS claim, lease · ARGV task, kept_ms → 1 · 0 when the claim is another's, or has no fingerprint to tell others by
 */
const ANSWER: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
local claim = redis.call('HMGET', KEYS[1], 'task', 'fingerprint', 'answered')
if claim[1] ~= ARGV[1] or not claim[2] then return 0 end
if not claim[3] then
  redis.call('HSET', KEYS[1], 'answered', '1')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('DEL', KEYS[2])
end
return 1
`,
};

/**
 * Frees the key, if the claim is still this task's.
 * KEYS claim, lease · ARGV task → 1 · 0 when it is another's or free already
 */
const FREE: ScriptDefinition = {
  numberOfKeys: 2,
  lua: `
if redis.call('HGET', KEYS[1], 'task') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
`,
};

export const CLAIM_SCRIPTS = {
  claim: CLAIM,
  takeOver: TAKE_OVER,
  hold: HOLD,
  answer: ANSWER,
  free: FREE,
} satisfies Record<string, ScriptDefinition>;
