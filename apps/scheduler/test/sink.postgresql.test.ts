import type { ResultRow } from '@millrace/batch/results/read-chunk';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { usePostgresql } from '../../../test/fixtures/postgresql.js';
import { Connections } from '../src/connections/connections.js';
import { type PostgresqlSink, writePostgresqlSink } from '../src/sinks/postgresql.js';
import { finishSink, killSinkBefore } from './killed-sink.js';
import { contextOf, outputOf } from './output.js';

const postgresql = usePostgresql();
let connections: Connections | undefined;
let schema: string;
beforeEach(async () => {
  connections ??= new Connections({ warehouse: postgresql.connection });
  schema = await postgresql.freshSchema();
});
afterAll(() => connections?.close());

function sinkOf(changes: Partial<PostgresqlSink> = {}): PostgresqlSink {
  return {
    kind: 'postgresql',
    connection: 'warehouse',
    table: `${schema}.results`,
    columns: { row: 'row', value: 'prediction' },
    key: ['row'],
    ...changes,
  };
}

function write(sink: PostgresqlSink, rows: ResultRow[], context = contextOf(), chunkRows?: number) {
  if (connections === undefined) throw new Error('there are no connections');
  return writePostgresqlSink(sink, { connections }, outputOf(rows, chunkRows), context);
}

/** `definition` as in CREATE TABLE. */
async function table(definition: string, name = 'results'): Promise<void> {
  await postgresql.pool.query(`CREATE TABLE ${schema}."${name}" (${definition})`);
}

async function stored(order = '1'): Promise<Record<string, unknown>[]> {
  const { rows } = await postgresql.pool.query(
    `SELECT row_to_json(r) AS line FROM (SELECT * FROM ${schema}.results ORDER BY ${order}) AS r`,
  );
  return rows.map(({ line }) => line);
}

function numbered(count: number, from = 0): ResultRow[] {
  return Array.from({ length: count }, (_, place) => ({ row: from + place, prediction: `${place}` }));
}

describe('results in a table', () => {
  it.each([50, 51, 120])('may have %i columns', async (count) => {
    const names = Array.from({ length: count - 1 }, (_, place) => `c${place}`);
    await table(`row int PRIMARY KEY, ${names.map((name) => `${name} text`).join(', ')}`);
    const columns = { row: 'row', ...Object.fromEntries(names.map((name) => [name, 'model'])) };
    await write(sinkOf({ columns }), numbered(2));
    const models = Object.fromEntries(names.map((name) => [name, 'recommender@1']));
    expect(await stored()).toEqual([
      { row: 0, ...models },
      { row: 1, ...models },
    ]);
  });

  it('have what the columns name: row, id, outputs, errors, and the run', async () => {
    await table(`user_id text, day date, items int[], scores jsonb, big numeric, error text, message text,
      line int, schedule text, task text, model text, PRIMARY KEY (user_id, day)`);
    const columns = {
      user_id: 'id',
      day: 'logical_date',
      items: 'prediction.items',
      scores: 'prediction.scores',
      big: 'prediction.big',
      error: 'error.code',
      message: 'error.message',
      line: 'row',
      schedule: 'schedule',
      task: 'task_id',
      model: 'model',
    };
    const rows: ResultRow[] = [
      {
        row: 0,
        id: 'a',
        prediction: '{"items":[3,1,2],"scores":{"z":1.50,"a":[0.5]},"big":9007199254740993}',
      },
      { row: 1, id: 7, error: { row: 1, id: 7, code: 'inference_failed', message: `it's "so"` } },
    ];
    const written = await write(sinkOf({ columns, key: ['user_id', 'day'] }), rows);
    const ofRun = { day: '2026-11-20', schedule: 'nightly', task: 'task-1', model: 'recommender@1' };
    const first = { items: [3, 1, 2], scores: { a: [0.5], z: 1.5 }, error: null, message: null, line: 0 };
    const second = {
      items: null,
      scores: null,
      big: null,
      error: 'inference_failed',
      message: `it's "so"`,
      line: 1,
    };
    expect(await stored('line')).toMatchObject([
      { ...ofRun, ...first, user_id: 'a' },
      { ...ofRun, ...second, user_id: '7' },
    ]);
    const { rows: big } = await postgresql.pool.query(
      `SELECT big::text FROM ${schema}.results WHERE line = 0`,
    );
    expect(big).toEqual([{ big: '9007199254740993' }]);
    expect(written).toMatchObject({ location: `postgresql:warehouse/${schema}.results`, rows: 2 });
    expect(written.bytes).toBeGreaterThan(100);
  });

  it('become what the type of their column makes of them', async () => {
    await table('row int PRIMARY KEY, a text[], b json, c text');
    const prediction = '["x","y, \\"z\\""]';
    const columns = { row: 'row', a: 'prediction', b: 'prediction', c: 'prediction' };
    await write(sinkOf({ columns }), [{ row: 0, prediction }]);
    expect(await stored()).toEqual([{ row: 0, a: ['x', 'y, "z"'], b: ['x', 'y, "z"'], c: prediction }]);
  });

  it('go into names with capitals, quotes, dots, backslashes and spaces', async () => {
    const name = `Da"y's \\ re.sults`;
    await postgresql.pool.query(
      `CREATE TABLE ${schema}."Da""y's \\ re.sults" ("Row ""n""" int PRIMARY KEY, "it's \\n" text, "select" text)`,
    );
    const columns = { 'Row "n"': 'row', "it's \\n": 'prediction', select: 'model' };
    await write(sinkOf({ table: `${schema}.${name}`, columns, key: ['Row "n"'] }), [
      { row: 5, prediction: '"x"' },
    ]);
    const { rows } = await postgresql.pool.query(`SELECT * FROM ${schema}."Da""y's \\ re.sults"`);
    expect(rows).toEqual([{ 'Row "n"': 5, "it's \\n": 'x', select: 'recommender@1' }]);
  });

  it('replace what an earlier run wrote under the same key, and leave other rows and columns', async () => {
    await table(`row int PRIMARY KEY, value int, note text DEFAULT 'new'`);
    await postgresql.pool.query(`INSERT INTO ${schema}.results VALUES (1, 100, 'mine'), (9, 900, 'mine')`);
    await write(sinkOf(), numbered(2));
    expect(await stored()).toEqual([
      { row: 0, value: 0, note: 'new' },
      { row: 1, value: 1, note: 'mine' },
      { row: 9, value: 900, note: 'mine' },
    ]);
  });

  it('have the last of two rows with one key, in one batch or in two', async () => {
    await table('id text PRIMARY KEY, value int');
    const rows = Array.from({ length: 6 }, (_, row) => ({ row, id: 'same', prediction: `${row}` }));
    await write(sinkOf({ columns: { id: 'id', value: 'prediction' }, key: ['id'] }), rows, contextOf(), 3);
    expect(await stored()).toEqual([{ id: 'same', value: 5 }]);
  });

  it('may be nothing but their key', async () => {
    await table('row int PRIMARY KEY');
    await write(sinkOf({ columns: { row: 'row' } }), numbered(3));
    await write(sinkOf({ columns: { row: 'row' } }), numbered(3));
    expect(await stored()).toHaveLength(3);
  });

  it('are many, in batches that are bounded', async () => {
    await table('row int PRIMARY KEY, value text');
    const prediction = JSON.stringify('x'.repeat(500));
    const rows = Array.from({ length: 20_000 }, (_, row) => ({ row, prediction }));
    const context = contextOf();
    await write(sinkOf(), rows, context, 10_000);
    expect(context.notes).toEqual([10_000, 20_000]);
    const { rows: counts } = await postgresql.pool.query(
      `SELECT count(*)::int, max(row) FROM ${schema}.results`,
    );
    expect(counts).toEqual([{ count: 20_000, max: 19_999 }]);
  });
});

describe('a table that cannot take them is refused before the first row', () => {
  it.each([
    ['row int PRIMARY KEY, value int', { table: 'nowhere.result' }, 'there is no table "nowhere.result"'],
    ['row int PRIMARY KEY, valeu int', {}, 'has no column "value"; did you mean "valeu"?'],
    ['row int PRIMARY KEY, "Value" int', {}, 'has no column "value"; did you mean "Value"?'],
    ['row int, value int', {}, 'has no unique constraint on exactly its key (row)'],
    ['row int, value int, UNIQUE (row, value)', {}, 'has no unique constraint on exactly its key (row)'],
    ['row int UNIQUE, value int', {}, 'the column "row" of the key (row) may be null'],
    ['row int PRIMARY KEY DEFERRABLE, value int', {}, 'has no unique constraint on exactly its key (row)'],
    ['row int PRIMARY KEY, value int, must text NOT NULL', {}, 'the column "must"'],
    ['row int PRIMARY KEY, value int', { key: ['day'] }, 'the key has "day"'],
    [
      'row int PRIMARY KEY, value int GENERATED ALWAYS AS (row) STORED',
      {},
      'cannot insert a non-DEFAULT value',
    ],
    [
      'row int PRIMARY KEY, value int',
      { columns: { row: 'rows' } },
      '"rows", which a row does not have; did you mean "row"?',
    ],
    [
      'row int PRIMARY KEY, value int',
      { columns: { row: 'row', value: 'prediction.' } },
      'which a row does not have',
    ],
  ])('%s with %j', async (definition, changes, reason) => {
    await table(definition);
    await expect(write(sinkOf(changes), [])).rejects.toMatchObject({
      code: 'sink_refused',
      isTransient: false,
      message: expect.stringContaining(reason),
    });
  });

  it('names the table that was probably meant', async () => {
    await table('row int PRIMARY KEY, value int');
    await expect(write(sinkOf({ table: `${schema}.result` }), [])).rejects.toThrow(
      `there is no table "${schema}.result"; did you mean "${schema}.results"?`,
    );
  });

  it('is no view', async () => {
    await table('row int PRIMARY KEY, value int', 'base');
    await postgresql.pool.query(`CREATE VIEW ${schema}.results AS SELECT * FROM ${schema}.base`);
    await expect(write(sinkOf(), [])).rejects.toThrow('is not a table');
  });

  it('is not ours to write', async () => {
    await table('row int PRIMARY KEY, value int');
    await postgresql.pool.query(
      `CREATE ROLE ${schema} LOGIN PASSWORD 'reads'; GRANT USAGE ON SCHEMA ${schema} TO ${schema}; GRANT SELECT ON ${schema}.results TO ${schema}`,
    );
    const url = new URL(postgresql.connection.url);
    Object.assign(url, { username: schema, password: 'reads' });
    const others = new Connections({ warehouse: { ...postgresql.connection, url: url.href } });
    const writing = writePostgresqlSink(sinkOf(), { connections: others }, outputOf([]), contextOf());
    await expect(writing).rejects.toMatchObject({ code: 'sink_not_allowed', isTransient: false });
    await others.close();
  });
});

describe('rows that cannot be written', () => {
  it('an output that the model does not have', async () => {
    await table('row int PRIMARY KEY, value int[]');
    const sink = sinkOf({ columns: { row: 'row', value: 'prediction.itmes' } });
    await expect(write(sink, [{ row: 0, prediction: '{"items":[1]}' }])).rejects.toThrow(
      'the output "itmes", which the model does not have; did you mean "items"?',
    );
    expect(await stored()).toEqual([]);
  });

  it('a value that its column does not take undoes its chunk, not those before', async () => {
    await table('row int PRIMARY KEY, value int');
    const rows = [...numbered(150), { row: 150, prediction: '"many"' }];
    const context = contextOf();
    await expect(write(sinkOf(), rows, context)).rejects.toMatchObject({
      code: 'sink_refused',
      message: expect.stringContaining('invalid input syntax for type integer'),
    });
    expect(context.notes).toEqual([100]);
    expect(await stored()).toHaveLength(100);
  });

  it('an error of the server quotes no other values of the row', async () => {
    await table('row int PRIMARY KEY, value int NOT NULL, secret text');
    const error = { row: 0, code: 'inference_failed', message: 'private' } as const;
    const sink = sinkOf({ columns: { row: 'row', value: 'prediction', secret: 'error.message' } });
    const failure = await write(sink, [{ row: 0, error }]).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'sink_refused', message: expect.stringContaining('not-null') });
    expect((failure as Error).message).not.toContain('private');
  });
});

describe('a run that is taken over, stopped or killed', () => {
  it('commits nothing that the fence does not let through', async () => {
    await table('row int PRIMARY KEY, value int');
    const takenOver = new Error('taken over');
    let asked = 0;
    const fence = async () => {
      if (++asked === 3) throw takenOver;
    };
    const context = contextOf({ fence });
    await expect(write(sinkOf(), numbered(500), context)).rejects.toBe(takenOver);
    expect(context.notes).toEqual([100, 200]);
    expect(await stored()).toHaveLength(200);
  });

  it('goes on where an earlier attempt has come to', async () => {
    await table('row int PRIMARY KEY, value int');
    const context = contextOf({ writtenRows: 200 });
    const written = await write(sinkOf(), numbered(450), context);
    expect(context.notes).toEqual([300, 400, 450]);
    expect(await stored()).toHaveLength(250);
    expect(written.rows).toBe(450);
  });

  it('can try again when the connection is lost', async () => {
    await table('row int PRIMARY KEY, value int');
    const fence = async () => {
      await postgresql.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace-scheduler'`,
      );
    };
    await expect(write(sinkOf(), numbered(10), contextOf({ fence }))).rejects.toMatchObject({
      code: 'sink_unavailable',
      isTransient: true,
    });
    expect(await stored()).toEqual([]);
    await write(sinkOf(), numbered(10));
    expect(await stored()).toHaveLength(10);
  });

  it('ends the statement that runs when it is cancelled', async () => {
    await table('row int PRIMARY KEY, value int');
    const holder = await postgresql.pool.connect();
    await holder.query(`BEGIN; LOCK TABLE ${schema}.results`);
    const abort = new AbortController();
    const writing = write(sinkOf(), numbered(10), contextOf({ signal: abort.signal }));
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${schema}%'`;
    while ((await postgresql.pool.query(waiting)).rowCount === 0);
    const reason = new Error('cancelled');
    abort.abort(reason);
    await expect(writing).rejects.toBe(reason);
    while ((await postgresql.pool.query(waiting)).rowCount !== 0);
    await holder.query('ROLLBACK');
    holder.release();
    expect(await stored()).toEqual([]);
  });

  it.each(['fence:1', 'note:1', 'fence:4', 'note:4', 'fence:5', 'note:5'])(
    'killed before %s and run again: each row once',
    async (step) => {
      await table('row int PRIMARY KEY, value text, writes int');
      await postgresql.pool.query(
        `CREATE FUNCTION ${schema}.count_write() RETURNS trigger LANGUAGE plpgsql
           AS 'BEGIN NEW.writes := coalesce(OLD.writes, 0) + 1; RETURN NEW; END';
         CREATE TRIGGER counting BEFORE INSERT OR UPDATE ON ${schema}.results
           FOR EACH ROW EXECUTE FUNCTION ${schema}.count_write()`,
      );
      const job = { connections: { warehouse: postgresql.connection }, sink: { ...sinkOf() }, rows: 500 };
      const writtenRows = await killSinkBefore(step, job);
      const [name, count] = step.split(':');
      expect(writtenRows).toBe((Number(count) - 1) * 100);
      await finishSink({ ...job, writtenRows });
      const rows = await stored();
      expect(rows.map(({ row, value }) => ({ row, value }))).toEqual(
        Array.from({ length: 500 }, (_, row) => ({ row, value: `item ${row}` })),
      );
      // What was committed and not noted is written again, and nothing else is.
      const again = rows.filter(({ writes }) => writes !== 1).map(({ row }) => row);
      expect(again).toEqual(name === 'note' ? numbered(100, writtenRows).map(({ row }) => row) : []);
    },
  );
});
