/** What a worker counts of its prediction cache. */
import { Counter, type Registry } from 'prom-client';
import type { CacheCounts } from './messages.js';

export class CacheMetrics {
  private readonly rows: Counter<'model' | 'outcome'>;
  private readonly stored: Counter<'model' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.rows = new Counter({
      name: 'millrace_cache_rows_total',
      help: 'Rows of models with a prediction cache, by where the prediction came from.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.stored = new Counter({
      name: 'millrace_cache_stored_rows_total',
      help: 'Rows that the prediction cache did not hold, by what became of their predictions there.',
      labelNames: ['model', 'outcome'],
      registers,
    });
  }

  looked(model: string, counts: CacheCounts): void {
    for (const [outcome, rows] of Object.entries(counts))
      if (rows > 0) this.rows.inc({ model, outcome }, rows);
  }

  kept(model: string, stored: number, dropped: number): void {
    if (stored > 0) this.stored.inc({ model, outcome: 'stored' }, stored);
    if (dropped > 0) this.stored.inc({ model, outcome: 'dropped' }, dropped);
  }
}
