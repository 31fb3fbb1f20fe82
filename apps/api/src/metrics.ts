/** What the API counts. */

import { modelKey } from '@millrace/batch/model';
import { STEP_SECONDS } from '@millrace/process/metrics';
import type { Catalog } from '@millrace/queue/catalog';
import type { Load } from '@millrace/queue/load';
import type { MemoryUse } from '@millrace/queue/memory';
import type { Producer } from '@millrace/queue/producer';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How a submission ended: `repeated` was answered with the task of an earlier one, `checked` was a dry run, `retried` are rows of a task that had ended. */
export type TaskOutcome = 'accepted' | 'retried' | 'repeated' | 'checked' | 'refused' | 'aborted';

export class ApiMetrics {
  private readonly requests: Histogram<'method' | 'route' | 'status'>;
  private readonly tasks: Counter<'model' | 'format' | 'outcome'>;
  private readonly rows: Counter<'model'>;
  private readonly bytes: Counter<'format'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.requests = new Histogram({
      name: 'millrace_http_request_seconds',
      help: 'Seconds from the head of a request to the end of its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: STEP_SECONDS,
      registers,
    });
    this.tasks = new Counter({
      name: 'millrace_tasks_total',
      help: 'Submissions by how their upload ended.',
      labelNames: ['model', 'format', 'outcome'],
      registers,
    });
    this.rows = new Counter({
      name: 'millrace_rows_accepted_total',
      help: 'Rows of accepted tasks.',
      labelNames: ['model'],
      registers,
    });
    this.bytes = new Counter({
      name: 'millrace_upload_bytes_total',
      help: 'Bytes of bodies read, after inflating.',
      labelNames: ['format'],
      registers,
    });
  }

  request(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status }, seconds);
  }

  task(model: string, format: string, outcome: TaskOutcome, rows: number): void {
    this.tasks.inc({ model, format, outcome });
    if (outcome === 'accepted' || outcome === 'retried') this.rows.inc({ model }, rows);
  }

  received(format: string, bytes: number): void {
    this.bytes.inc({ format }, bytes);
  }
}

/** Gauges that are read from Redis when somebody looks. While Redis is away they keep their last values. */
export function watchQueue(registry: Registry, producer: Producer, catalog: Catalog): void {
  new Gauge({
    name: 'millrace_queue_chunks',
    help: 'Chunks in the queue of a pool by state.',
    labelNames: ['pool', 'state'],
    registers: [registry],
    async collect() {
      const entries = await catalog.list().catch(() => []);
      const pools = new Set(['default', ...entries.map(({ model }) => model.manifest.limits.pool)]);
      for (const pool of pools) {
        const depth = await producer.depth(pool).catch(() => undefined);
        for (const [state, chunks] of Object.entries(depth ?? {})) this.set({ pool, state }, chunks);
      }
    },
  });
  new Gauge({
    name: 'millrace_model_workers',
    help: 'Live worker processes that serve a model version.',
    labelNames: ['model'],
    registers: [registry],
    async collect() {
      const entries = await catalog.list().catch(() => undefined);
      if (entries !== undefined) this.reset();
      for (const { model, workers } of entries ?? []) this.set({ model: modelKey(model) }, workers);
    },
  });
}

/** What the gauges of `watchStore` show. */
export interface StoreFigures {
  readLoad(): Promise<ReadonlyMap<string, Load>>;
  resultBytes(): Promise<number>;
  memoryUse(): Promise<MemoryUse>;
}

/** How much Redis holds; read, and kept, as those of `watchQueue`. */
export function watchStore(registry: Registry, figures: StoreFigures): void {
  const registers = [registry];
  new Gauge({
    name: 'millrace_in_flight_rows',
    help: 'Rows that are accepted or being received, and not done.',
    registers,
    async collect() {
      const loads = await figures.readLoad().catch(() => undefined);
      if (loads !== undefined) this.set([...loads.values()].reduce((sum, { rows }) => sum + rows, 0));
    },
  });
  new Gauge({
    name: 'millrace_results_bytes',
    help: 'Bytes of the results of all finished tasks.',
    registers,
    async collect() {
      const bytes = await figures.resultBytes().catch(() => undefined);
      if (bytes !== undefined) this.set(bytes);
    },
  });
  new Gauge({
    name: 'millrace_redis_memory_bytes',
    help: 'Bytes that Redis uses (used) and may use (max; 0 where nothing limits them).',
    labelNames: ['kind'],
    registers,
    async collect() {
      const memory = await figures.memoryUse().catch(() => undefined);
      for (const [kind, bytes] of Object.entries(memory ?? {})) this.set({ kind }, bytes);
    },
  });
}
