/** Faults of the protocol, each of which some test must catch: what the code would be with it, and the tests that have to fail. */

export interface Mutant {
  /** What would go wrong. */
  name: string;
  file: string;
  /** Occurs once in the file. */
  from: string;
  to: string;
  /** Test files, at least one test of which fails. */
  caughtBy: readonly string[];
}

const UPLOAD_SCRIPTS = 'packages/queue/src/scripts/upload-scripts.ts';
const CHUNK_SCRIPTS = 'packages/queue/src/scripts/chunk-scripts.ts';
const FRAGMENTS = 'packages/queue/src/scripts/fragments.ts';
const RUN_SCRIPTS = 'packages/queue/src/scripts/run-scripts.ts';
const CACHE_SCRIPTS = 'packages/queue/src/scripts/cache-scripts.ts';
const UPLOAD = 'packages/tasks/src/upload.ts';
const REAPER = 'packages/queue/src/reaper.ts';
const TASK_STORE_TEST = 'packages/queue/test/task-store.redis.test.ts';
const BROKEN_UPLOAD_TEST = 'packages/queue/test/broken-upload.redis.test.ts';
const END_TASK_TEST = 'packages/queue/test/end-task.redis.test.ts';
const UPLOAD_TEST = 'packages/tasks/test/upload.redis.test.ts';
const REAPER_TEST = 'packages/queue/test/reaper.redis.test.ts';
const LOST_TASK_TEST = 'apps/api/test/lost-task.redis.test.ts';
const ADVANCE_TEST = 'packages/queue/test/schedules/advance.redis.test.ts';
const ATTEMPTS_TEST = 'packages/queue/test/schedules/attempts.redis.test.ts';
const ASKED_RUNS_TEST = 'packages/queue/test/schedules/asked-runs.redis.test.ts';
const EXECUTE_RUN_TEST = 'apps/scheduler/test/execute-run.redis.test.ts';
const CACHE_TEST = 'packages/queue/test/prediction-cache.redis.test.ts';
const CACHED_CHUNK_TEST = 'apps/worker/test/prediction-cache.redis.test.ts';
const IDEMPOTENCY_TEST = 'apps/api/test/idempotency-uploads.redis.test.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'early acknowledgement: a task is accepted while its chunks are on their way',
    file: UPLOAD,
    from: '    await Promise.all(this.inFlight);\n    if (this.failure',
    to: '    if (this.failure',
    caughtBy: [UPLOAD_TEST],
  },
  {
    name: 'a job is queued before its bytes are stored',
    file: UPLOAD,
    from: '    const [, appended] = await Promise.all([created, store.append(id, chunk)]);',
    to: '    await producer.add(this.limits.pool, { task: id, chunk: chunk.index });\n    const [, appended] = await Promise.all([created, store.append(id, chunk)]);',
    caughtBy: [UPLOAD_TEST],
  },
  {
    name: 'a task that came whole and is sent again begins anew',
    file: UPLOAD_SCRIPTS,
    from: "if redis.call('EXISTS', KEYS[1]) == 0 then\n  redis.call('HSET', KEYS[1], unpack(ARGV, 5))\n  redis.call('HSET', KEYS[1], 'status', 'pending'",
    to: "if true then\n  redis.call('HSET', KEYS[1], unpack(ARGV, 5))\n  redis.call('HSET', KEYS[1], 'status', 'pending'",
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'a task that came whole is queued twice, by who recorded it and by the reaper',
    file: REAPER,
    from: 'else if (!isNew) return task;',
    to: 'else return task;',
    caughtBy: [REAPER_TEST],
  },
  {
    name: 'a cache to which nobody writes drives results out',
    file: REAPER,
    from: 'shareOf(await memoryUse(redis)) <= CROWDED_SHARE',
    to: 'shareOf(await memoryUse(redis)) <= 2 * CROWDED_SHARE',
    caughtBy: [REAPER_TEST],
  },
  {
    name: 'commit without the done check: a second result overwrites the first',
    file: CHUNK_SCRIPTS,
    from: "if state == 'done' then return {'done'} end\nif ARGV[2] + ARGV[3]",
    to: 'if ARGV[2] + ARGV[3]',
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'ledger added twice',
    file: CHUNK_SCRIPTS,
    from: "ledger('succeeded', tonumber(ARGV[2]))",
    to: "ledger('succeeded', tonumber(ARGV[2]))\nledger('succeeded', tonumber(ARGV[2]))",
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'a chunk that is begun again is counted again',
    file: CHUNK_SCRIPTS,
    from: "if state == 'pending' then\n  redis.call('HSET', KEYS[2], ARGV[1], 'running '",
    to: "if state then\n  redis.call('HSET', KEYS[2], ARGV[1], 'running '",
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'late write after cancel',
    file: CHUNK_SCRIPTS,
    from: "if not status or is_terminal(status) then return {'gone'} end\nif is_due() then\n  halt('expired', ARGV[5]",
    to: "if not status then return {'gone'} end\nif is_due() then\n  halt('expired', ARGV[5]",
    caughtBy: [END_TASK_TEST],
  },
  {
    name: 'rows are computed after their deadline',
    file: FRAGMENTS,
    from: 'return deadline and server_now() >= tonumber(deadline)',
    to: 'return false',
    caughtBy: [END_TASK_TEST],
  },
  {
    name: 'lifetime forgotten',
    file: CHUNK_SCRIPTS,
    from: "redis.call('PEXPIRE', KEYS[4], ARGV[6])\n",
    to: '',
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'order by arrival: rows are numbered as their chunks come in',
    file: UPLOAD_SCRIPTS,
    from: "'pending ' .. ARGV[2] .. ' ' .. ARGV[3]) == 0",
    to: "'pending ' .. count('total') .. ' ' .. ARGV[3]) == 0",
    caughtBy: [TASK_STORE_TEST],
  },
  {
    name: 'a task is sealed without the chunks that Redis has lost',
    file: UPLOAD_SCRIPTS,
    from: "  if count('chunks') ~= tonumber(ARGV[7]) then return {} end\n",
    to: '',
    caughtBy: [LOST_TASK_TEST],
  },
  {
    name: 'a lost task is an unknown one',
    file: 'apps/api/src/result/own-task.ts',
    from: 'if (task === undefined) throw forgotten(ids.createdAt(id, client));',
    to: 'if (task === undefined) throw forgotten(ids.createdAt(id, client) && undefined);',
    caughtBy: [LOST_TASK_TEST],
  },
  {
    name: 'an accepted task that reads as received after a restart is never named as lost',
    file: 'apps/api/src/result/own-task.ts',
    from: "(task.status === 'receiving' && (await store.isInterrupted(id)))",
    to: "(task.status !== 'receiving' && (await store.isInterrupted(id)))",
    caughtBy: [LOST_TASK_TEST],
  },
  {
    name: 'bytes of a broken upload stay when an earlier chunk of it was refused',
    file: FRAGMENTS,
    from: "for _, index in ipairs(stored_chunks(chunks_key)) do redis.call('DEL', inputs .. index, outputs .. index) end",
    to: "for index = 0, redis.call('HLEN', chunks_key) - 1 do redis.call('DEL', inputs .. index, outputs .. index) end",
    caughtBy: [BROKEN_UPLOAD_TEST],
  },
  {
    name: 'a run that is handed back stays "running"',
    file: 'packages/queue/src/consumer.ts',
    from: '    // A ledger that says "running" a little longer harms nobody; an error here would cost the chunk an attempt.\n    await this.options.release(run).catch(this.options.onError);\n',
    to: '    void run;\n',
    caughtBy: ['packages/queue/test/consumer.redis.test.ts'],
  },
  {
    name: 'the key of a request is not asked for again before its task is accepted',
    file: UPLOAD,
    from: '      await confirm();\n',
    to: '',
    caughtBy: [IDEMPOTENCY_TEST],
  },
  {
    name: 'two requests at once get a retry each',
    file: 'packages/queue/src/scripts/retry-scripts.ts',
    from: 'if task[3] and task[3] ~= ARGV[2] then return task[3] end\n',
    to: '',
    caughtBy: ['packages/queue/test/retry-store.redis.test.ts'],
  },
  {
    name: 'a live upload is reaped',
    file: UPLOAD_SCRIPTS,
    from: "if ARGV[7] == 'lapsed' and server_now() < tonumber(task[2] or 0) then return 0 end\n",
    to: '',
    caughtBy: [REAPER_TEST],
  },
  {
    name: 'a chunk whose job is lost waits for ever',
    file: REAPER,
    from: '      await this.producer.requeue(pool, { task: id, chunk });\n',
    to: '',
    caughtBy: [REAPER_TEST],
  },
  {
    name: 'two schedulers that look at once derive the same dates twice',
    file: RUN_SCRIPTS,
    from: 'if found[1] ~= ARGV[2] or found[2] ~= ARGV[3] then return false end\n',
    to: '',
    caughtBy: [ADVANCE_TEST],
  },
  {
    name: 'a run that there is already is made anew',
    file: RUN_SCRIPTS,
    from: '  if not status_for(run.logical_date, ARGV[7]) then\n',
    to: '  do\n',
    caughtBy: [ADVANCE_TEST],
  },
  {
    name: 'runs overlap though they are to be skipped',
    file: RUN_SCRIPTS,
    from: "      if overlap == 'skip' then run.status = 'skipped' end\n",
    to: '',
    caughtBy: [ADVANCE_TEST],
  },
  {
    name: 'a process whose run was taken over goes on',
    file: RUN_SCRIPTS,
    from: "if run[1] ~= 'running' or run[2] ~= ARGV[2] then return 'lost' end\n",
    to: '',
    caughtBy: [ATTEMPTS_TEST],
  },
  {
    name: 'a process whose run was taken over ends it',
    file: RUN_SCRIPTS,
    from: "if run[1] ~= 'running' or run[2] ~= ARGV[2] then return 0 end\n",
    to: '',
    caughtBy: [ATTEMPTS_TEST],
  },
  {
    name: 'more runs begin at once than may',
    file: RUN_SCRIPTS,
    from: "  if not place or place >= tonumber(run[3]) then return {'wait'} end\n",
    to: '',
    caughtBy: [ASKED_RUNS_TEST],
  },
  {
    name: 'a run that is taken up makes a second task, and the first goes on',
    file: 'apps/scheduler/src/runs/make-task.ts',
    from: '  return (await earlierTask(deps.store, attempt)) ?? makeTask(deps, attempt);',
    to: '  await earlierTask(deps.store, attempt);\n  return makeTask(deps, attempt);',
    caughtBy: [EXECUTE_RUN_TEST],
  },
  {
    name: 'a run that was cancelled, or taken over, still shows its result',
    file: 'apps/scheduler/src/runs/execute-run.ts',
    from: '        fence: () => attempt.fence(),\n',
    to: '        fence: async () => {},\n',
    caughtBy: [EXECUTE_RUN_TEST],
  },
  {
    name: 'a prediction is kept though its chunk was not committed',
    file: 'apps/worker/src/run-chunk.ts',
    from: '  return commit(deps, run, chunk, predicted);\n',
    to: '  predicted.onCommit?.();\n  return commit(deps, run, chunk, predicted);\n',
    caughtBy: [CACHED_CHUNK_TEST],
  },
  {
    name: 'what one version predicted is given for another',
    file: 'packages/queue/src/prediction-cache.ts',
    from: '    return [this.options.keys.cachedRows(pin), this.options.keys.olderCachedRows(pin)];\n',
    to: "    const { keys } = this.options;\n    return [keys.cachedRows(pin.split('@')[0] ?? ''), keys.olderCachedRows('')];\n",
    caughtBy: [CACHE_TEST, CACHED_CHUNK_TEST],
  },
  {
    name: 'rows that come again keep old predictions alive',
    file: CACHE_SCRIPTS,
    from: "  if held == 0 then redis.call('PEXPIRE', KEYS[1], lifetime) end\n",
    to: "  redis.call('PEXPIRE', KEYS[1], lifetime)\n",
    caughtBy: [CACHE_TEST],
  },
  {
    name: 'more predictions are kept than may be',
    file: CACHE_SCRIPTS,
    from: '  if held >= limit then held = begin_generation() end\n',
    to: '',
    caughtBy: [CACHE_TEST],
  },
];
