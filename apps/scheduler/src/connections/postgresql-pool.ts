/** A pool of connections to a PostgreSQL server, bounded in number and time. */
import { Pool } from 'pg';
import type { ConnectionOf } from './connections-file.js';

const MAX_CONNECTIONS = 8;
const CONNECT_MS = 10_000;
const IDLE_MS = 30_000;
/** How much longer than the server this side waits for the end of a statement: a server that hangs ends none. */
const GRACE_MS = 10_000;

export function createPool({ url, statement_timeout }: ConnectionOf<'postgresql'>): Pool {
  const statementMs = statement_timeout * 1_000;
  const pool = new Pool({
    connectionString: url,
    application_name: 'millrace-scheduler',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    statement_timeout: statementMs,
    query_timeout: statementMs + GRACE_MS,
    // A run that stops in the middle, with its process, must not hold a snapshot or locks for ever.
    idle_in_transaction_session_timeout: statementMs,
  });
  // A connection that breaks while nobody uses it: the pool drops it by itself.
  pool.on('error', () => {});
  return pool;
}
