/** Which alarms the end of a run raises. */
import { type Alarm, type AlarmType, newAlarm } from '@millrace/queue/schedules/alarm';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import type { RunEnd } from '@millrace/queue/schedules/run-store';

/** @param now milliseconds since the epoch */
export function alarmsOf(run: RecordedRun, end: Omit<RunEnd, 'alarms'>, now: number): Alarm[] {
  const { schedule, logicalDate, taskId, definition } = run;
  const { status, ledger, error } = end;
  const raise = (type: AlarmType, message: string, details: Record<string, unknown>): Alarm => {
    const connection = definition.alarms?.connection;
    const ids = { attempt: run.attempt, ...(taskId === undefined ? {} : { task_id: taskId }) };
    const alarm = { type, schedule, logical_date: logicalDate, message, details: { ...ids, ...details } };
    return newAlarm(connection === undefined ? alarm : { ...alarm, connection }, now);
  };
  const which = `the run ${logicalDate} of ${schedule}`;
  const alarms: Alarm[] = [];
  if (status === 'failed') {
    alarms.push(raise('run.failed', `${which} has failed: ${error?.message}`, { error, rows: ledger }));
  }
  if (status === 'expired') {
    alarms.push(
      raise('run.failed', `${which} has expired before all of its rows were done`, { rows: ledger }),
    );
  }
  const limit = definition.alarms?.error_share;
  if (limit === undefined || ledger === undefined || ledger.total === 0) return alarms;
  const share = (ledger.invalid + ledger.failed) / ledger.total;
  if (share <= limit) return alarms;
  const percent = (part: number) => `${Math.round(part * 1000) / 10} %`;
  const message = `${percent(share)} of the rows of ${which} have no prediction, more than ${percent(limit)}`;
  return [...alarms, raise('run.errors', message, { error_share: share, limit, rows: ledger })];
}
