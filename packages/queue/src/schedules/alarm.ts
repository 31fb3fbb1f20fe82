/** What somebody should know of a schedule's runs without asking. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';

export const ALARM_TYPES = ['run.failed', 'run.late', 'run.missed', 'run.errors'] as const;
export type AlarmType = (typeof ALARM_TYPES)[number];

export const Alarm = z.object({
  id: z.string(),
  type: z.enum(ALARM_TYPES),
  schedule: z.string(),
  /** The first, of an alarm about several runs. */
  logical_date: z.string(),
  /** ISO 8601. */
  raised_at: z.string(),
  message: z.string(),
  /** The webhook that hears of it; without one, only the log and the metrics do. */
  connection: z.string().optional(),
  /** What there is to know besides, by type. */
  details: z.record(z.string(), z.unknown()),
});
export type Alarm = z.infer<typeof Alarm>;

/** @param now milliseconds since the epoch */
export function newAlarm(alarm: Omit<Alarm, 'id' | 'raised_at'>, now: number): Alarm {
  return { id: randomUUID(), raised_at: new Date(now).toISOString(), ...alarm };
}

/** One try to tell a webhook. */
export const Delivery = z.object({
  alarm: z.string(),
  type: z.enum(ALARM_TYPES),
  logical_date: z.string(),
  at: z.string(),
  attempt: z.int(),
  connection: z.string(),
  outcome: z.enum(['delivered', 'failed', 'given_up']),
  /** HTTP status of the answer, if there was one. */
  status: z.int().optional(),
  /** What went wrong. */
  reason: z.string().optional(),
});
export type Delivery = z.infer<typeof Delivery>;
