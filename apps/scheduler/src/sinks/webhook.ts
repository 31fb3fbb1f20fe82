/** Posts a result to a webhook, in signed messages of NDJSON lines, one after the other. */
import { type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import { RunError } from '../run-error.js';
import { deliver, type RetryBounds } from '../webhooks/deliver.js';
import { describeDelivery, isWorthRetrying, type Webhook } from '../webhooks/send.js';
import type { WriteSink } from './sink.js';

export interface WebhookSink {
  kind: 'webhook';
  /** The connection's name. */
  connection: string;
}

export interface WebhookSinkDeps {
  connections: {
    /** @throws RunError `unknown_connection` */
    get(name: string, kind: 'webhook'): Webhook;
  };
  bounds?: WebhookBounds;
}

export interface WebhookBounds extends RetryBounds {
  /** Of one message. */
  maxRows: number;
  /** Of one message, unless a single row is larger. */
  maxBytes: number;
}

export const WEBHOOK_BOUNDS: WebhookBounds = {
  timeoutMs: 30_000,
  firstDelayMs: 1_000,
  maxDelayMs: 60_000,
  totalMs: 600_000,
  maxRows: 1_000,
  maxBytes: 1024 * 1024,
};

/**
 * Each message has the id `<schedule>.<logical date>.<task id>.<first row>`. Where a message ends depends on its rows
 * alone: one that is sent again, since nothing says that it was taken, has the id and the rows that it had before. A run
 * that is made again has another task, and other ids.
 * @throws RunError `unknown_connection`, `sink_refused`, `sink_unavailable`, or what `fence()` and `note()` reject with
 */
export const writeWebhookSink: WriteSink<WebhookSink, WebhookSinkDeps> = async (
  sink,
  deps,
  output,
  context,
) => {
  const { connections, bounds = WEBHOOK_BOUNDS } = deps;
  const webhook = connections.get(sink.connection, 'webhook');
  let next = context.writtenRows;
  let bytes = 0;
  for await (const { rows, body } of messages(output.rowsFrom(next, 'default'), bounds)) {
    context.signal.throwIfAborted();
    await context.fence();
    const id = `${output.schedule}.${output.logicalDate}.${output.taskId}.${next}`;
    const message = { id, contentType: 'application/x-ndjson', body };
    const delivery = await deliver(webhook, message, bounds, context.signal);
    if (delivery.outcome !== 'delivered') {
      const isTransient = isWorthRetrying(delivery);
      throw new RunError(
        isTransient ? 'sink_unavailable' : 'sink_refused',
        `the webhook "${sink.connection}" did not take rows ${next} to ${next + rows - 1}: ${describeDelivery(delivery)}`,
        isTransient,
      );
    }
    next += rows;
    bytes += body.length;
    await context.note(next);
  }
  return { location: `webhook ${sink.connection}`, rows: output.rows.total, bytes };
};

/** Lines put together up to the bounds. */
async function* messages(
  chunks: AsyncIterable<ResultRow[]>,
  { maxRows, maxBytes }: WebhookBounds,
): AsyncGenerator<{ rows: number; body: Buffer }> {
  let lines: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (const row of chunk) {
      const line = Buffer.from(toLine(row));
      if (lines.length === maxRows || (lines.length > 0 && bytes + line.length > maxBytes)) {
        yield { rows: lines.length, body: Buffer.concat(lines) };
        lines = [];
        bytes = 0;
      }
      lines.push(line);
      bytes += line.length;
    }
  }
  if (lines.length > 0) yield { rows: lines.length, body: Buffer.concat(lines) };
}
