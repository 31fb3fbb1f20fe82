/** Builds a scheduler process from its settings: `startScheduler` serves, and says what stops it again. */
import { createAdminServer, stopServer } from '@millrace/process/admin-server';
import { listen } from '@millrace/process/listen';
import { errorFields, type Logger } from '@millrace/process/logger';
import { createRegistry } from '@millrace/process/metrics';
import type { Running, StopWith } from '@millrace/process/run-process';
import { Catalog } from '@millrace/queue/catalog';
import { connectForWork } from '@millrace/queue/connection';
import { DEFAULT_LIFETIMES, HEARTBEAT_MS, Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { memoryUse } from '@millrace/queue/memory';
import { isOutage, watchOutages } from '@millrace/queue/outages';
import { Producer } from '@millrace/queue/producer';
import { RetryStore } from '@millrace/queue/retry-store';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleQueues } from '@millrace/queue/schedules/schedule-queues';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { SchedulerBeat } from '@millrace/queue/schedules/scheduler-beat';
import { awaitServerProblems } from '@millrace/queue/server-problems';
import { TaskEvents } from '@millrace/queue/task-events';
import { TaskIds } from '@millrace/queue/task-ids';
import { TaskStore } from '@millrace/queue/task-store';
import { isRunOver } from '@millrace/schedule/run';
import { Admission } from '@millrace/tasks/admission';
import { admissionLimits } from '@millrace/tasks/submit-settings';
import { createTakeAlarm, deliverAlarm } from './alarms/take-alarm.js';
import type { SchedulerSettings } from './config.js';
import { Connections } from './connections/connections.js';
import { readConnections } from './connections/connections-file.js';
import { SchedulerMetrics } from './metrics.js';
import { Periodic } from './periodic.js';
import { executeRun } from './runs/execute-run.js';
import { Slots } from './runs/slots.js';
import { ScheduleFiles } from './schedules/schedule-files.js';
import { LOST_TICKS_MAX, watchTicks } from './schedules/tick-watch.js';
import { Ticker } from './schedules/ticker.js';
import { writeSink } from './sinks/write-sink.js';
import { openSource } from './sources/open-source.js';

/** Runs that one process has taken; most of them wait for their tasks. */
const RUNS_HELD = 200;

/** @throws Error when it cannot serve */
export async function startScheduler(
  settings: SchedulerSettings,
  log: Logger,
  stopWith: StopWith,
): Promise<Running> {
  const connections = new Connections(
    settings.CONNECTIONS_FILE === undefined ? {} : await readConnections(settings.CONNECTIONS_FILE),
  );
  const keys = new Keys(settings.KEY_PREFIX);
  const redis = connectForWork(settings.REDIS_URL);
  watchOutages(redis, {
    lost: (error) => log.error('Redis does not answer; waiting for it', errorFields(error)),
    back: () => log.info('Redis answers again'),
  });
  const subscriber = connectForWork(settings.REDIS_URL);
  // The other connection says it for both.
  watchOutages(subscriber, { lost: () => {}, back: () => {} });
  const events = new TaskEvents(subscriber, [keys.finished()]);
  events.start().catch((error) => log.error('finished tasks cannot be heard', errorFields(error)));
  const problems = await awaitServerProblems(redis);
  if (problems.length > 0) throw new Error(problems.join('; '));

  const now = Date.now;
  const onError = (what: string) => (error: unknown, about?: string) =>
    log.log(isOutage(error) ? 'debug' : 'warn', what, { ...errorFields(error), ...(about && { about }) });
  const registry = createRegistry();
  const metrics = new SchedulerMetrics(registry);
  const leaseMs = settings.UPLOAD_LEASE_MS;
  const resultsMs = settings.RESULT_TTL_SECONDS * 1000;
  const store = new TaskStore(redis, keys, { ...DEFAULT_LIFETIMES, leaseMs, resultsMs });
  const producer = new Producer(redis, keys, onError('the queue of chunks'));
  const room = {
    readLoad: () => readLoad(redis, keys, store.index),
    memoryUse: () => memoryUse(redis),
  };
  const schedules = new ScheduleStore(redis, keys);
  const runs = new RunStore(redis, keys);
  const beat = new SchedulerBeat(redis, keys);
  const alarms = new AlarmStore(redis, keys);
  const queues = new ScheduleQueues({
    redis,
    keys,
    tickMs: settings.TICK_MS,
    runsAtOnce: RUNS_HELD,
    lockMs: settings.LOCK_MS,
    onError: onError('the queues of schedules'),
  });
  const folders = settings.SCHEDULE_FILES;
  const runDeps = {
    runs,
    store,
    retryStore: new RetryStore(redis, keys),
    producer,
    catalog: new Catalog(redis, keys),
    admission: new Admission(admissionLimits(settings), room),
    ids: new TaskIds(settings.TASK_ID_SECRET),
    events,
    slots: new Slots(settings.RUNS_AT_ONCE),
    log,
    maxRowBytes: settings.MAX_ROW_BYTES,
    openSource: openSource.bind(undefined, { folders, connections }),
    writeSink: writeSink.bind(undefined, { folders, connections }),
    onEnd: metrics.runEnded.bind(metrics),
    now,
  };
  const ticker = new Ticker({
    schedules,
    runs,
    alarms,
    queueRun: (schedule, logicalDate) => queues.addRun({ schedule, logicalDate }),
    cancelTask: async (id) => void (await store.end(id, 'cancelled')),
    takeAlarm: createTakeAlarm(
      log,
      ({ schedule, type }) => metrics.alarm(schedule, type),
      (alarm) => queues.addAlarm(alarm),
    ),
    onRuns: (schedule, due, statuses) => {
      for (const [at, { logicalDate, trigger }] of due.entries()) {
        const status = statuses[at];
        if (status === undefined || status === '') continue;
        log.info('a run was made', { schedule, logical_date: logicalDate, status, trigger });
        if (isRunOver(status)) metrics.runEnded(schedule, status);
      }
    },
    onError: onError('a schedule cannot be looked at'),
    now,
  });
  const tick = async () => {
    await ticker.tick();
    await schedules.noteTick();
    metrics.ticked();
  };
  const files = new ScheduleFiles({ folder: settings.SCHEDULES_DIR, schedules, log, now });
  const follower = new Periodic(
    settings.SCHEDULES_POLL_MS,
    () => files.sync(),
    onError('files of schedules'),
  );
  const heartbeat = new Periodic(HEARTBEAT_MS, () => beat.beat(), onError('the heartbeat'));
  const onMend = (silentMs: number) => {
    metrics.ticksMended();
    log.warn('nobody has looked for runs that are due', { silent_ms: silentMs });
  };
  const ensureTicks = () => queues.ensureTicks();
  const watch = new Periodic(
    settings.TICK_MS * LOST_TICKS_MAX,
    () => watchTicks({ schedules, tickMs: settings.TICK_MS, tick, ensureTicks, onMend, now }),
    onError('the watch over ticks'),
  );

  const stopping = new AbortController();
  const server = createAdminServer({
    registry,
    problems: () => (redis.status === 'ready' ? [] : [`Redis is ${redis.status}`]),
  });
  const port = await listen(server, settings.SCHEDULER_PORT, settings.SCHEDULER_HOST, 'SCHEDULER_PORT');
  stopWith([
    { name: 'files', deadlineMs: 2_000, run: () => follower.stop() },
    { name: 'heartbeat', deadlineMs: 1_000, run: () => heartbeat.stop() },
    { name: 'ticks', deadlineMs: 2_000, run: () => watch.stop() },
    {
      name: 'runs',
      deadlineMs: settings.STOP_GRACE_MS,
      run: () => {
        stopping.abort(new Error('the scheduler stops'));
        return queues.stop();
      },
    },
    { name: 'queue', deadlineMs: 2_000, run: () => producer.stop() },
    { name: 'connections', deadlineMs: 2_000, run: () => connections.close() },
    { name: 'server', deadlineMs: 1_000, run: () => stopServer(server) },
    {
      name: 'redis',
      deadlineMs: 1_000,
      run: async () => {
        subscriber.disconnect();
        await redis.quit();
      },
    },
  ]);
  await heartbeat.start();
  await follower.start();
  await tick();
  await queues.ensureTicks();
  queues.start({
    tick,
    run: (job, before) => executeRun(runDeps, job, before, stopping.signal),
    deliver: (alarm, attempt) =>
      deliverAlarm({ alarms, connections, log, now }, alarm, attempt, stopping.signal),
  });
  await watch.start();
  log.info('the scheduler is ready', { port, schedules: (await schedules.names()).length });
  return { port };
}
