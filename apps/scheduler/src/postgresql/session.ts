/** A connection to PostgreSQL while one run uses it. */
import { Client, type Pool, type PoolClient, type QueryConfig } from 'pg';

type ArrayRow = (string | null)[];

/** @property types the types of the columns, by their numbers in the catalogue */
export interface Answer {
  names: string[];
  types: number[];
  rows: ArrayRow[];
}

/** For the connection that cancels. */
const CANCEL_MS = 5_000;
/** What breaks is told by the statement that runs; between two statements, by the next one. */
const TOLD_OTHERWISE = () => {};

/** As text, whatever its type. */
const AS_TEXT = { getTypeParser: () => (value: string) => value };
/** @types/pg does not know it: even without parameters one statement only, by the protocol that takes parameters. */
type ExtendedQuery = QueryConfig & { queryMode: 'extended'; rowMode: 'array' };

/**
 * Is responsible for one connection: one statement at a time, cancelled at the server when the run is aborted, given back
 * to the pool only in a clean state. Its errors are the driver's, or the reason of the abort.
 */
export class Session {
  private isClosed = false;
  private readonly onAbort = () => void this.abort();

  private constructor(
    private readonly pool: Pool,
    private readonly client: PoolClient,
    private readonly backend: string,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.onAbort, { once: true });
  }

  static async open(pool: Pool, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    const client = await pool.connect();
    client.on('error', TOLD_OTHERWISE);
    try {
      const backend = await send(client, 'select pg_backend_pid()', []);
      signal.throwIfAborted();
      return new Session(pool, client, backend.rows[0]?.[0] ?? '', signal);
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async query(text: string, values: readonly unknown[] = []): Promise<Answer> {
    this.signal.throwIfAborted();
    try {
      return await send(this.client, text, values);
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    }
  }

  /**
   * What the run has set or locked in the session ends with it: the next one may be another client's.
   * @param isClean false when a transaction may be open: the connection is then closed, which rolls it back
   */
  async close(isClean: boolean): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.signal.removeEventListener('abort', this.onAbort);
    const isReset = isClean && (await this.reset());
    if (isReset) this.client.off('error', TOLD_OTHERWISE);
    this.client.release(!isReset);
  }

  private async reset(): Promise<boolean> {
    try {
      await send(this.client, 'DISCARD ALL', []);
      return true;
    } catch {
      return false;
    }
  }

  /** A statement that runs goes on when only its connection is closed, so it is cancelled from another one. */
  private async abort(): Promise<void> {
    const bounds = { connectionTimeoutMillis: CANCEL_MS, query_timeout: CANCEL_MS };
    const other = new Client({ ...this.pool.options, ...bounds });
    other.on('error', TOLD_OTHERWISE);
    try {
      await other.connect();
      await other.query('select pg_cancel_backend($1)', [this.backend]);
    } catch {
      // The server's own bound ends the statement.
    } finally {
      await this.close(false);
      await other.end().catch(() => {});
    }
  }
}

async function send(client: PoolClient, text: string, values: readonly unknown[]): Promise<Answer> {
  const query: ExtendedQuery = {
    text,
    values: [...values],
    queryMode: 'extended',
    rowMode: 'array',
    types: AS_TEXT,
  };
  const { fields, rows } = await client.query<ArrayRow>(query);
  return {
    names: fields.map(({ name }) => name),
    types: fields.map(({ dataTypeID }) => dataTypeID),
    rows,
  };
}
