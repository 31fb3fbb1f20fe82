/** The runs of one process on a real Redis and real files, with iris in the catalogue; a test works the tasks off itself. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@millrace/process/logger';
import { Catalog } from '@millrace/queue/catalog';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import { connectForRequests, connectForWork } from '@millrace/queue/connection';
import { DEFAULT_LIFETIMES, type Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { memoryUse } from '@millrace/queue/memory';
import { Producer } from '@millrace/queue/producer';
import { RetryStore } from '@millrace/queue/retry-store';
import { type Alarm, Alarm as AlarmSchema } from '@millrace/queue/schedules/alarm';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { TaskEvents } from '@millrace/queue/task-events';
import { TaskIds } from '@millrace/queue/task-ids';
import { TaskStore } from '@millrace/queue/task-store';
import { parseSchedule, type Schedule } from '@millrace/schedule/schedule';
import { Admission } from '@millrace/tasks/admission';
import { irisDescriptor } from '../../../test/fixtures/iris.js';
import { Connections } from '../dist/connections/connections.js';
import { type ExecuteRunDeps, executeRun } from '../dist/runs/execute-run.js';
import { Slots } from '../dist/runs/slots.js';
import { writeSink } from '../dist/sinks/write-sink.js';
import { openSource } from '../dist/sources/open-source.js';

/** Ten rows to a chunk. */
const SECONDS_PER_ROW = 0.025;
const PLENTY = { rows: 1e9, bytes: 1e9 };
const MINUTE = 60_000;

export interface RunHarness {
  /** Where the source and the sink of its schedules are. */
  folder: string;
  deps: ExecuteRunDeps;
  runs: RunStore;
  store: TaskStore;
  /** Writes the rows of the source, with the ids `r0`, `r1`, … */
  writeRows(count: number): void;
  /** A run that is due a minute ago, of a schedule with these members besides. */
  addRun(logicalDate: string, members?: Record<string, unknown>): Promise<void>;
  execute(logicalDate: string, how?: Partial<ExecuteRunDeps> & HowToExecute): ReturnType<typeof executeRun>;
  /** The run, once it has made its task. */
  withTask(logicalDate: string): Promise<RecordedRun & { taskId: string }>;
  read(logicalDate: string): Promise<RecordedRun>;
  alarms(): Promise<Alarm[]>;
  stop(): Promise<void>;
}

interface HowToExecute {
  isLastTry?: boolean;
  stalls?: number;
  signal?: AbortSignal;
}

export const SCHEDULE = 'nightly';

export async function startRunHarness(url: string, keys: Keys): Promise<RunHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-runs-'));
  mkdirSync(join(folder, 'out'));
  const redis = connectForRequests(url);
  const subscriber = connectForWork(url);
  const events = new TaskEvents(subscriber, [keys.finished()]);
  await Promise.all([redis.connect(), events.start()]);
  const served = [irisDescriptor(SECONDS_PER_ROW)];
  await new CatalogPublisher(redis, keys, 'test-worker').beat(
    { served, refused: [], aliases: {} },
    Date.now(),
  );
  const store = new TaskStore(redis, keys, { ...DEFAULT_LIFETIMES, leaseMs: 1_000 });
  const runs = new RunStore(redis, keys);
  const producer = new Producer(redis, keys, () => {});
  const room = { readLoad: () => readLoad(redis, keys, store.index), memoryUse: () => memoryUse(redis) };
  const io = { folders: [folder], connections: new Connections({}) };
  const deps: ExecuteRunDeps = {
    runs,
    store,
    retryStore: new RetryStore(redis, keys),
    producer,
    catalog: new Catalog(redis, keys),
    admission: new Admission({ all: PLENTY, client: PLENTY, stallMs: 1_000 }, room),
    ids: new TaskIds('secret of the tests'),
    events,
    slots: new Slots(8),
    log: createLogger({ service: 'scheduler', level: 'error', format: 'json' }),
    maxRowBytes: 1_024,
    openSource: openSource.bind(undefined, io),
    writeSink: writeSink.bind(undefined, io),
    onEnd: () => {},
    now: Date.now,
  };
  const read = async (logicalDate: string) => (await runs.read(SCHEDULE, logicalDate)) as RecordedRun;
  return {
    folder,
    deps,
    runs,
    store,
    writeRows(count) {
      const rows = Array.from({ length: count }, (_, row) => `"r${row}",5,3,1,0.2\n`);
      const header = 'id,sepal_length,sepal_width,petal_length,petal_width\n';
      writeFileSync(join(folder, 'rows.csv'), header + rows.join(''));
    },
    async addRun(logicalDate, members = {}) {
      const definition: Schedule = parseSchedule({
        name: SCHEDULE,
        model: 'iris',
        source: { kind: 'file', path: join(folder, 'rows.csv') },
        sink: { kind: 'file', path: join(folder, 'out', '{logical_date}.ndjson') },
        cron: '30 2 * * *',
        ...members,
      });
      const schedule = { definition, client: 'anonymous', revision: 1 };
      const dueAt = Date.now() - MINUTE;
      await runs.add(schedule, [{ logicalDate, dueAt }], 'manual', 16, 'always');
    },
    execute(
      logicalDate,
      { isLastTry: isLast = false, stalls = 0, signal = new AbortController().signal, ...other } = {},
    ) {
      return executeRun(
        { ...deps, ...other },
        { schedule: SCHEDULE, logicalDate },
        { isLast, stalls },
        signal,
      );
    },
    async withTask(logicalDate) {
      for (;;) {
        const run = await read(logicalDate);
        if (run.isAccepted) return run as RecordedRun & { taskId: string };
      }
    },
    read,
    async alarms() {
      const texts = await redis.lrange(`${keys.scheduleBase(SCHEDULE)}outbox`, 0, -1);
      return texts.map((text) => AlarmSchema.parse(JSON.parse(text)));
    },
    async stop() {
      await producer.stop();
      redis.disconnect();
      subscriber.disconnect();
      rmSync(folder, { recursive: true });
    },
  };
}
