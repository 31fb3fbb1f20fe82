/** What is in flight: rows and bytes that are accepted or being received and not done, of each client. */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import type { TaskIndex } from './task-index.js';

export interface Load {
  rows: number;
  /** Of chunks as they came. */
  bytes: number;
}

/** The load of each client, as the ledgers of the unfinished tasks say: nothing else is counted, so nothing can drift. */
export async function readLoad(
  redis: RedisConnection,
  keys: Keys,
  index: TaskIndex,
): Promise<Map<string, Load>> {
  const loads = new Map<string, Load>();
  let cursor = '0';
  do {
    const { tasks, next } = await index.unfinished(cursor);
    const records = await Promise.all(
      tasks.map(({ id }) => redis.hmget(keys.task(id), 'client', 'pending', 'running', 'input_bytes')),
    );
    for (const [client, pending, running, bytes] of records) {
      if (typeof client === 'string')
        addLoad(loads, client, Number(pending) + Number(running), Number(bytes));
    }
    cursor = next;
  } while (cursor !== '0');
  return loads;
}

export function addLoad(loads: Map<string, Load>, client: string, rows: number, bytes: number): void {
  const load = loads.get(client);
  if (load === undefined) loads.set(client, { rows, bytes });
  else {
    load.rows += rows;
    load.bytes += bytes;
  }
}
