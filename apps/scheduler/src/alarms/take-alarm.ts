/** Alarms on their way from the records to whoever listens: the log, the metrics, and a webhook. */
import type { Logger } from '@millrace/process/logger';
import type { Alarm } from '@millrace/queue/schedules/alarm';
import type { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import { DELIVERY_TRIES, type JobOutcome } from '@millrace/queue/schedules/schedule-queues';
import { RunError } from '../run-error.js';
import { type Delivery, describeDelivery, isWorthRetrying, send, type Webhook } from '../webhooks/send.js';

export type TakeAlarm = (alarm: Alarm) => Promise<void>;

/** Hears an alarm, for the log and the metrics, and queues it for its webhook, if it has one. May be called twice for one. */
export function createTakeAlarm(
  log: Logger,
  onAlarm: (alarm: Alarm) => void,
  queue: (alarm: Alarm) => Promise<void>,
): TakeAlarm {
  return async (alarm) => {
    const { type, schedule, logical_date, message } = alarm;
    if (alarm.connection !== undefined) await queue(alarm);
    log.warn('an alarm of a schedule', { type, schedule, logical_date, alarm: message });
    onAlarm(alarm);
  };
}

const TIMEOUT_MS = 15_000;

export interface DeliverDeps {
  alarms: AlarmStore;
  connections: { get(name: string, kind: 'webhook'): Webhook };
  log: Logger;
  now(): number;
}

/** Tells a webhook of an alarm, once, and notes what came of it. @param attempt from 1 */
export async function deliverAlarm(
  deps: DeliverDeps,
  alarm: Alarm,
  attempt: number,
  signal: AbortSignal,
): Promise<JobOutcome> {
  const { connection = '', schedule } = alarm;
  const attempted = await tell(deps, alarm, connection, signal).catch((error) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (attempted === undefined) return { kind: 'hand_back', afterMs: 0 };
  const reason = typeof attempted === 'string' ? attempted : describeDelivery(attempted);
  const isDelivered = typeof attempted !== 'string' && attempted.outcome === 'delivered';
  const isWorth = typeof attempted !== 'string' && isWorthRetrying(attempted) && attempt < DELIVERY_TRIES;
  const outcome = isDelivered ? 'delivered' : isWorth ? 'failed' : 'given_up';
  const { logical_date, type, id } = alarm;
  await deps.alarms.log(schedule, {
    alarm: id,
    type,
    logical_date,
    at: new Date(deps.now()).toISOString(),
    attempt,
    connection,
    outcome,
    ...(typeof attempted !== 'string' && 'status' in attempted ? { status: attempted.status } : {}),
    ...(isDelivered ? {} : { reason }),
  });
  if (outcome === 'given_up') deps.log.error('an alarm was not delivered', { alarm: id, connection, reason });
  return outcome === 'failed' ? { kind: 'retry', reason } : { kind: 'done' };
}

/** What came of it, or why it could not be tried. */
async function tell(
  { connections }: DeliverDeps,
  alarm: Alarm,
  connection: string,
  signal: AbortSignal,
): Promise<Delivery | string> {
  const { id, type, raised_at: timestamp, connection: _, ...data } = alarm;
  const body = Buffer.from(JSON.stringify({ type, timestamp, data }));
  try {
    const webhook = connections.get(connection, 'webhook');
    return await send(webhook, { id, contentType: 'application/json', body }, TIMEOUT_MS, signal);
  } catch (error) {
    if (error instanceof RunError) return error.message;
    throw error;
  }
}
