import { afterAll, describe, expect, it } from 'vitest';
import { usePostgresql } from '../../../test/fixtures/postgresql.js';
import { Connections } from '../src/connections/connections.js';
import { openPostgresqlSource } from '../src/sources/postgresql.js';

const postgresql = usePostgresql();
let connections: Connections | undefined;
afterAll(() => connections?.close());

function open(query: string, parameters: string[] = [], signal = new AbortController().signal) {
  connections ??= new Connections({ warehouse: postgresql.connection });
  const source = { kind: 'postgresql' as const, connection: 'warehouse', query, parameters };
  return openPostgresqlSource(
    source,
    { connections },
    { schedule: 'nightly', logicalDate: '2026-11-20', signal },
  );
}

async function linesOf(query: string, parameters?: string[]): Promise<string[]> {
  const { bytes } = await open(query, parameters);
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text.split('\n').slice(0, -1);
}

/** Statements of sources that the server knows of now. */
async function sessions(): Promise<{ state: string; query: string }[]> {
  const { rows } = await postgresql.pool.query(
    `SELECT state, query FROM pg_stat_activity WHERE application_name = 'millrace-scheduler' AND state <> 'idle'`,
  );
  return rows;
}

const SETTINGS = `SELECT current_setting('statement_timeout') AS bound, current_setting('search_path') AS path`;

/** As a server does that is restarted; all of them have ended when it resolves. */
async function endConnections(): Promise<void> {
  const { pool } = postgresql;
  const ours = `FROM pg_stat_activity WHERE application_name = 'millrace-scheduler'`;
  await pool.query(`SELECT pg_terminate_backend(pid) ${ours}`);
  await until(async () => (await pool.query(`SELECT 1 ${ours}`)).rowCount === 0);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

describe('rows of a query', () => {
  it('come from a session in which no other run has set or locked anything', async () => {
    const before = await linesOf(SETTINGS);
    await linesOf(`SELECT set_config('statement_timeout', '0', false) AS bound,
      set_config('search_path', 'theirs', false) AS path, pg_advisory_lock(42)::text AS lock`);
    expect(await linesOf(SETTINGS)).toEqual(before);
    const locks = await postgresql.pool.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`);
    expect(locks.rowCount).toBe(0);
  });

  it('are lines of JSON that keep every digit', async () => {
    const query = `SELECT 9223372036854775807::int8 AS big, 0.1000000000000000000001::numeric AS exact,
      0.1::float8 AS double, true AS yes, NULL::text AS nothing, 'a "quoted" \\ line' || chr(10) || 'ü' AS text`;
    expect(await linesOf(query)).toEqual([
      '{"big":9223372036854775807,"exact":0.1000000000000000000001,"double":0.1,"yes":true,"nothing":null,"text":"a \\"quoted\\" \\\\ line\\nü"}',
    ]);
  });

  it('may be followed by semicolons and spaces, and hold many spaces', async () => {
    expect(await linesOf(`SELECT 1${' '.repeat(400_000)}AS n ;\n; `)).toEqual(['{"n":1}']);
  });

  it('are refused in a sentence, however long the value is', async () => {
    const error = await linesOf(`SELECT repeat('x', 1000000)::int AS n`).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'source_malformed' });
    expect((error as Error).message).toMatch(/^PostgreSQL refuses the query: .*xxx…$/);
    expect((error as Error).message).toHaveLength(1024);
  });

  it('have dates and times as ISO 8601, those with a zone in UTC', async () => {
    const query = `SELECT date '2026-11-20' AS day, timestamp '2026-11-20 02:30:00.5' AS local,
      timestamptz '2026-11-20 02:30:00+01' AS instant, time '02:30' AS time`;
    expect(JSON.parse((await linesOf(query))[0] ?? '')).toEqual({
      day: '2026-11-20',
      local: '2026-11-20T02:30:00.5',
      instant: '2026-11-20T01:30:00+00:00',
      time: '02:30:00',
    });
  });

  it('have arrays as lists, json as it is and each row in one line', async () => {
    const query = `SELECT ARRAY[[1,2],[3,4]] AS matrix, '{"a":\n [1.50,\r\n2]}'::json AS doc, ARRAY['x,"y', NULL] AS words`;
    const lines = await linesOf(query);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('1.50');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      matrix: [
        [1, 2],
        [3, 4],
      ],
      doc: { a: [1.5, 2] },
      words: ['x,"y', null],
    });
  });

  it('come in order, in many fetches, all of them', async () => {
    const lines = await linesOf(
      `SELECT n, repeat('x', n % 300) AS pad FROM generate_series(1, 30000) AS n ORDER BY n;`,
    );
    expect(lines).toHaveLength(30_000);
    expect(lines.every((line, index) => line.startsWith(`{"n":${index + 1},`))).toBe(true);
  });

  it('come over one connection, which the next query uses again', async () => {
    const first = await linesOf('SELECT pg_backend_pid() AS pid');
    expect(await linesOf('SELECT pg_backend_pid() AS pid')).toEqual(first);
  });

  it('may be none', async () => {
    expect(await linesOf('SELECT 1 AS n WHERE false')).toEqual([]);
  });

  it('are chosen by bound parameters, which are no SQL', async () => {
    expect(await linesOf(`SELECT date '2026-11-19' + 1 = $1 AS same`, ['2026-11-20'])).toEqual([
      '{"same":true}',
    ]);
    const evil = `'; DROP TABLE x; --`;
    expect(await linesOf('SELECT $1 AS text', [evil])).toEqual([JSON.stringify({ text: evil })]);
  });

  it('may end in a semicolon or a comment, and begin with WITH', async () => {
    expect(await linesOf('WITH t AS (SELECT 1 AS n) SELECT n FROM t ; ')).toEqual(['{"n":1}']);
    expect(await linesOf('SELECT 1 AS n -- the first')).toEqual(['{"n":1}']);
  });

  it('are of one snapshot, which the functions of the query see as well', async () => {
    const schema = await postgresql.freshSchema();
    await postgresql.pool.query(
      `CREATE TABLE ${schema}.t AS SELECT generate_series(1, 500) AS n;
       CREATE FUNCTION ${schema}.counted() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT count(*)::int FROM ${schema}.t'`,
    );
    const { bytes } = await open(`SELECT ${schema}.counted() AS counted FROM ${schema}.t`);
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) {
      await postgresql.pool.query(`INSERT INTO ${schema}.t SELECT generate_series(1, 500)`);
      pieces.push(piece);
    }
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.concat(pieces).toString()).toBe('{"counted":500}\n'.repeat(500));
  });

  it('are not held: neither here nor at the server is there more than a fetch of them', async () => {
    const { bytes } = await open(`SELECT repeat('x', 100000) AS pad FROM generate_series(1, 100000)`);
    let taken = 0;
    let largest = 0;
    // Ten gigabytes, given up after thirty megabytes.
    for await (const piece of bytes) {
      taken += piece.length;
      largest = Math.max(largest, piece.length);
      if (taken > 30_000_000) break;
    }
    expect(largest).toBeLessThan(12_000_000);
    await until(async () => (await sessions()).length === 0);
  });
});

describe('a query that does not hold', () => {
  it.each([
    ['SELECT usr FROM (SELECT 1 AS n) t', 'column "usr" does not exist'],
    ['SELEC 1', 'syntax error'],
    ['SELECT 1 AS n; SELECT 2 AS n', 'syntax error'],
    ['SELECT 1) AS r; COMMIT; SELECT (1', 'cannot insert multiple commands'],
    ['SELECT 1 AS n, 2 AS n', 'two columns "n"'],
    [`SELECT 'x'::bytea AS image`, 'column "image" is bytea'],
    ['SELECT $1::int AS n', 'bind message supplies 0 parameters'],
    [`SELECT nextval('s')`, 'relation "s" does not exist'],
  ])('%s', async (query, reason) => {
    await expect(linesOf(query)).rejects.toMatchObject({
      code: 'source_malformed',
      isTransient: false,
      message: expect.stringContaining(reason),
    });
  });

  it('cannot write', async () => {
    const schema = await postgresql.freshSchema();
    await postgresql.pool.query(`CREATE SEQUENCE ${schema}.s`);
    await expect(linesOf(`SELECT nextval('${schema}.s') AS n`)).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('read-only transaction'),
    });
  });

  it('fails on the way when a row does', async () => {
    const { bytes } = await open('SELECT 1 / (3000 - n) AS n FROM generate_series(1, 5000) AS n');
    const read = async () => {
      for await (const _ of bytes);
    };
    await expect(read()).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('division by zero'),
    });
  });

  it('leaves the connection as it should be for the next one', async () => {
    for (let time = 0; time < 20; time++) await expect(linesOf('SELEC 1')).rejects.toThrow();
    expect(await linesOf('SELECT 1 AS n')).toEqual(['{"n":1}']);
  });
});

describe('a source that cannot be read now', () => {
  it('is cancelled at the server when the run is', async () => {
    const abort = new AbortController();
    const opened = open('SELECT pg_sleep(600) AS n', [], abort.signal);
    const read = (async () => {
      for await (const _ of (await opened).bytes);
    })();
    await until(async () =>
      (await sessions()).some(({ state, query }) => state === 'active' && query.startsWith('FETCH')),
    );
    const reason = new Error('cancelled');
    abort.abort(reason);
    await expect(read).rejects.toBe(reason);
    await until(async () => (await sessions()).length === 0);
  });

  it('does not hold its connection when it is cancelled before anybody reads', async () => {
    const abort = new AbortController();
    await open('SELECT 1 AS n', [], abort.signal);
    expect(await sessions()).toHaveLength(1);
    abort.abort();
    await until(async () => (await sessions()).length === 0);
  });

  it('has lost its connection on the way, and the next one finds another', async () => {
    const { bytes } = await open('SELECT n FROM generate_series(1, 100000) AS n');
    const read = async () => {
      for await (const _ of bytes) await endConnections();
    };
    await expect(read()).rejects.toMatchObject({ code: 'source_unreadable', isTransient: true });
    expect(await linesOf('SELECT 1 AS n')).toEqual(['{"n":1}']);
    await endConnections();
    expect(await linesOf('SELECT 1 AS n')).toEqual(['{"n":1}']);
  });

  it.each([
    ['a statement takes too long', { statement_timeout: 1 }, 'source_unreadable', true, 'statement timeout'],
    ['nobody listens', { port: '1' }, 'source_unreadable', true, 'ECONNREFUSED'],
    [
      'the password is wrong',
      { password: 'hunter2' },
      'source_not_allowed',
      false,
      'password authentication failed',
    ],
    [
      'there is no such database',
      { pathname: '/none' },
      'source_not_allowed',
      false,
      'database "none" does not exist',
    ],
  ])('%s', async (_, change, code, isTransient, reason) => {
    const url = new URL(postgresql.connection.url);
    const { statement_timeout = 60, ...parts } = change as { statement_timeout?: number };
    Object.assign(url, parts);
    const others = new Connections({ other: { kind: 'postgresql', url: url.href, statement_timeout } });
    const source = { kind: 'postgresql' as const, connection: 'other', query: 'SELECT pg_sleep(30) AS n' };
    const context = { schedule: 'nightly', logicalDate: '2026-11-20', signal: new AbortController().signal };
    const read = async () => {
      const { bytes } = await openPostgresqlSource(source, { connections: others }, context);
      for await (const _ of bytes);
    };
    const error = await read().catch((error: unknown) => error);
    expect(error).toMatchObject({ code, isTransient, message: expect.stringContaining(reason) });
    expect((error as Error).message).not.toContain('hunter2');
    await others.close();
  });
});
