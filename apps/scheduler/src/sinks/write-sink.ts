/** Writes the result of a run to the sink of its schedule, its templates filled in. */
import type { Schedule } from '@millrace/schedule/schedule';
import { renderTemplate } from '@millrace/schedule/template';
import type { Connections } from '../connections/connections.js';
import { writeFileSink } from './file.js';
import { writePostgresqlSink } from './postgresql.js';
import { writeS3Sink } from './s3.js';
import type { RunOutput, SinkContext, Written } from './sink.js';
import { writeWebhookSink } from './webhook.js';

export interface SinkDeps {
  /** What file sinks may reach. */
  folders: readonly string[];
  connections: Connections;
}

/**
 * @param attempt of the run, counted from 1
 * @throws RunError `sink_…`, `unknown_connection`, or what the context's `fence` and `note` reject with
 */
export function writeSink(
  { folders, connections }: SinkDeps,
  sink: Schedule['sink'],
  attempt: number,
  output: RunOutput,
  context: SinkContext,
): Promise<Written> {
  const fill = (template: string) => renderTemplate(template, output);
  switch (sink.kind) {
    case 'file':
      return writeFileSink({ ...sink, path: fill(sink.path) }, { folders, attempt }, output, context);
    case 's3':
      return writeS3Sink({ ...sink, key: fill(sink.key) }, { connections }, output, context);
    case 'postgresql':
      return writePostgresqlSink(sink, { connections }, output, context);
    case 'webhook':
      return writeWebhookSink(sink, { connections }, output, context);
  }
}
