import { parseSchedule, parseScheduleOf } from '@millrace/schedule/schedule';
import { ScheduleError } from '@millrace/schedule/schedule-error';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const minimal = {
  name: 'nightly',
  model: 'recommender@champion',
  source: { kind: 'file', path: 'data/users-{logical_date}.csv' },
  sink: { kind: 'webhook', connection: 'oncall' },
  cron: '30 2 * * *',
};

function problems(value: unknown): string[] {
  try {
    parseSchedule(value);
    return [];
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    expect(error.code).toBe('invalid_schedule');
    const told = error.problems.map(({ field, message }) =>
      field === '' ? message : `${field}: ${message}`,
    );
    expect(error.message).toBe(told.join('; '));
    return told;
  }
}

describe('a schedule', () => {
  it('has its defaults where something is left out', () => {
    expect(parseSchedule({ $schema: './schedule.schema.json', ...minimal })).toEqual({
      ...minimal,
      timezone: 'UTC',
      catch_up: 'latest',
      overlap: 'skip',
      start_deadline: 600,
      enabled: true,
      client: 'anonymous',
      metadata: {},
    });
  });

  it('is kept as it is where nothing is, and is read again as itself', () => {
    const whole = {
      ...minimal,
      timezone: 'Europe/Berlin',
      catch_up: 'all',
      overlap: 'cancel_previous',
      start_deadline: 60,
      expires_in: 21_600,
      enabled: false,
      client: 'shop',
      alarms: { connection: 'oncall', error_share: 0.05 },
      metadata: { team: 'shop', tags: ['a', 1, null] },
    };
    expect(parseSchedule(whole)).toEqual(whole);
    expect(parseSchedule(JSON.parse(JSON.stringify(parseSchedule(minimal))))).toEqual(parseSchedule(minimal));
  });

  it.each([
    { kind: 'file', path: 'data/**/users-?.ndjson.gz' },
    { kind: 'file', path: 'data/users-{logical_date}.*' },
    { kind: 'file', path: 'data/users', format: 'parquet' },
    { kind: 'http', url: 'https://host/users?day={logical_date}' },
    { kind: 's3', connection: 'lake', bucket: 'b.c', key: 'users/{logical_date}.parquet' },
    {
      kind: 'postgresql',
      connection: 'warehouse',
      query: "select * from users where day = $1 and tags <> '{}'",
      parameters: ['{logical_date}', 1, true, null],
    },
  ])('has a source such as %j', (source) => {
    expect(problems({ ...minimal, source })).toEqual([]);
  });

  it.each([
    { kind: 'file', path: 'data/{logical_date}.csv', outputs: 'all' },
    { kind: 's3', connection: 'lake', bucket: 'lake', key: '{schedule}/{logical_date}', format: 'ndjson' },
    {
      kind: 'postgresql',
      connection: 'warehouse',
      table: 'public.results',
      columns: { user_id: 'id', day: 'logical_date', items: 'prediction.items', error: 'error.code' },
      key: ['user_id', 'day'],
    },
    { kind: 'webhook', connection: 'oncall' },
  ])('has a sink such as %j', (sink) => {
    expect(problems({ ...minimal, sink })).toEqual([]);
  });
});

const NAME =
  'a name of lower-case letters, digits, - and _, at most 63, that begins with a letter or a digit';
const MODEL = 'a model such as iris, iris@2 or iris@champion';
const KINDS = 'file, http, s3 or postgresql';

describe('is refused with the field, what is wrong and what would be right:', () => {
  it.each<[string, unknown, string[]]>([
    ['no object', 3, ['must be an object, not 3']],
    [
      'nothing in it',
      {},
      [
        `name: is missing; must be ${NAME}`,
        `model: is missing; must be ${MODEL}`,
        'source: is missing; must be an object',
        'sink: is missing; must be an object',
        'cron: is missing; must be a cron such as "30 2 * * *"',
      ],
    ],
    ['an unknown key', { ...minimal, catchup: 'all' }, ['unknown key "catchup"; did you mean "catch_up"?']],
    ['a name', { ...minimal, name: '-a' }, [`name: must be ${NAME}, not the string "-a"`]],
    [
      'a long name',
      { ...minimal, name: 'a'.repeat(64) },
      [`name: must be ${NAME}, not the string "${'a'.repeat(39)}…"`],
    ],
    ['a model', { ...minimal, model: 'a@b@c' }, [`model: must be ${MODEL}, not the string "a@b@c"`]],
    ['a model of another type', { ...minimal, model: 1 }, [`model: must be ${MODEL}, not 1`]],
    [
      'a cron and a time zone',
      { ...minimal, cron: '30 25 * * *', timezone: 'Europe/Berln' },
      [
        'cron: the hour "25" is outside 0 to 23; must be as in 2, 2,14, 8-18/2 or *',
        'timezone: must be an IANA time zone such as UTC or Europe/Berlin, not "Europe/Berln"; did you mean "Europe/Berlin"?',
      ],
    ],
    [
      'a cron without a day',
      { ...minimal, cron: '0 0 31 4 *' },
      ['cron: "0 0 31 4 *" never comes: none of its months has such a day'],
    ],
    [
      'a choice',
      { ...minimal, catch_up: 'lastest' },
      ['catch_up: must be none, latest or all, not the string "lastest"; did you mean "latest"?'],
    ],
    [
      'another choice',
      { ...minimal, overlap: true },
      ['overlap: must be skip, queue or cancel_previous, not true'],
    ],
    [
      'seconds',
      { ...minimal, start_deadline: 0 },
      ['start_deadline: must be a whole number of seconds from 1 to 604800, not 0'],
    ],
    [
      'seconds as a text',
      { ...minimal, expires_in: '60' },
      ['expires_in: must be a whole number of seconds from 1 to 604800, not the string "60"'],
    ],
    ['a switch', { ...minimal, enabled: 'no' }, ['enabled: must be true or false, not the string "no"']],
    [
      'a share',
      { ...minimal, alarms: { error_share: 5 } },
      ['alarms.error_share: must be a number from 0 to 1, not 5'],
    ],
    ['metadata', { ...minimal, metadata: [] }, ['metadata: must be an object, not an array of 0 values']],
    [
      'much metadata',
      { ...minimal, metadata: { a: 'ü'.repeat(2045) } },
      ['metadata: must be at most 4096 bytes as JSON'],
    ],
    [
      'metadata that would be lost',
      { ...minimal, metadata: JSON.parse('{"__proto__": 1}') },
      ['metadata: must not name "__proto__"'],
    ],
  ])('%s', (_, value, told) => {
    expect(problems(value)).toEqual(told);
  });

  it.each<[unknown, string[]]>([
    [{}, [`source.kind: is missing; must be ${KINDS}`]],
    [[], ['source: must be an object, not an array of 0 values']],
    [
      { kind: 'postgres' },
      [`source.kind: must be ${KINDS}, not the string "postgres"; did you mean "postgresql"?`],
    ],
    [
      { kind: 'file' },
      ['source.path: is missing; must be a path or a pattern such as data/users-{logical_date}.csv'],
    ],
    [
      { kind: 'file', path: '{logical_dat}.csv' },
      [
        'source.path: {logical_dat} is not known; must be {logical_date} or {schedule}; did you mean "logical_date"?',
      ],
    ],
    [{ kind: 'file', path: 'a\n.csv' }, ['source.path: must not hold control characters']],
    [
      { kind: 'file', path: `${'a'.repeat(1021)}.csv` },
      ['source.path: must be at most 1024 characters long'],
    ],
    [
      { kind: 'file', path: 'a.txt' },
      ['source.format: is missing, and "a.txt" does not tell it; must be ndjson, csv or parquet'],
    ],
    [
      { kind: 'file', path: 'a*/b.txt' },
      ['source.format: is missing, and "a*/b.txt" does not tell it; must be ndjson, csv or parquet'],
    ],
    [
      { kind: 'file', path: 'a.parquet.gz' },
      ['source.format: is missing, and "a.parquet.gz" does not tell it; must be ndjson, csv or parquet'],
    ],
    [
      { kind: 'file', path: 'a.csv', format: 'tsv' },
      ['source.format: must be ndjson, csv or parquet, not the string "tsv"; did you mean "csv"?'],
    ],
    [{ kind: 'file', path: 'a.csv', bucket: 'b' }, ['source: unknown key "bucket"']],
    [
      { kind: 'http', url: 'users.csv' },
      ['source.url: must be an address such as https://host/users.ndjson'],
    ],
    [
      { kind: 'http', url: 'ftp://host/users.csv' },
      ['source.url: must begin with https:// or http://, not ftp:'],
    ],
    [
      { kind: 'http', url: 'https://u:p@host/a.csv' },
      ['source.url: must not hold a user or a password; give them in an http connection'],
    ],
    [
      { kind: 's3', connection: '-', bucket: 'b', key: '', format: 'csv' },
      [
        'source.connection: must be the name of a connection: letters, digits, - and _, at most 63, not the string "-"',
        'source.bucket: must be the name of a bucket: letters, digits, dots, - and _, 3 to 255, not the string "b"',
        'source.key: must be a key such as users/{logical_date}.parquet, not the string ""',
      ],
    ],
    [
      { kind: 'postgresql', connection: 'a', query: "select '{logical_date}'" },
      [
        'source.query: must not hold {logical_date} or {schedule}; write $1 there, and the placeholder in parameters',
      ],
    ],
    [
      { kind: 'postgresql', connection: 'a', query: 'select $1', parameters: [[], '{day}'] },
      [
        'source.parameters[0]: must be a text, a number, true, false or null, not an array of 0 values',
        'source.parameters[1]: {day} is not known; must be {logical_date} or {schedule}',
      ],
    ],
  ])('the source %j', (source, told) => {
    expect(problems({ ...minimal, source })).toEqual(told);
  });

  const table = {
    kind: 'postgresql',
    connection: 'a',
    table: 't',
    columns: { day: 'logical_date' },
    key: ['day'],
  };
  it.each<[unknown, string[]]>([
    [
      { kind: 'web-hook' },
      [
        'sink.kind: must be file, s3, postgresql or webhook, not the string "web-hook"; did you mean "webhook"?',
      ],
    ],
    [{ kind: 'file', path: '*.csv' }, ['sink.path: must be one path, without * or ?']],
    [
      { kind: 'file', path: 'a.csv.manifest.json', format: 'csv' },
      ['sink.path: must not end in .manifest.json, which is the name of what stands beside a result'],
    ],
    [
      { kind: 's3', connection: 'lake', bucket: 'out', key: 'a.csv.manifest.json', format: 'csv' },
      ['sink.key: must not end in .manifest.json, which is the name of what stands beside a result'],
    ],
    [
      { kind: 'file', path: 'a.csv.gz' },
      ['sink.format: is missing, and "a.csv.gz" does not tell it; must be ndjson or csv'],
    ],
    [
      { kind: 'file', path: 'a.csv', outputs: 'al' },
      ['sink.outputs: must be default, primary or all, not the string "al"; did you mean "all"?'],
    ],
    [
      { ...table, table: 'a.b.c' },
      ['sink.table: must be a table such as results or public.results, not the string "a.b.c"'],
    ],
    [
      { ...table, columns: { day: 'predicton' } },
      [
        'sink.columns.day: must be row, id, prediction, error.code, error.message, logical_date, schedule, task_id, model or prediction.<output>, not the string "predicton"; did you mean "prediction"?',
      ],
    ],
    [{ ...table, key: [] }, ['sink.key: must name at least one column']],
    [{ ...table, key: ['days'] }, ['sink.key[0]: "days" is none of the columns; did you mean "day"?']],
    [{ ...table, key: ['day', 'day'] }, ['sink.key[1]: names "day" twice']],
  ])('the sink %j', (sink, told) => {
    expect(problems({ ...minimal, sink })).toEqual(told);
  });
});

describe('of a request', () => {
  it('belongs to the client that sends it', () => {
    expect(parseScheduleOf('shop', minimal).client).toBe('shop');
    expect(parseScheduleOf('shop', { ...minimal, client: 'shop' }).client).toBe('shop');
  });

  it('is refused when it names another', () => {
    expect(() => parseScheduleOf('shop', { ...minimal, client: 'bank' })).toThrow(
      'client: must be "shop", whose request this is, or left out; only files name others',
    );
  });

  it('is refused as any other when it is none', () => {
    for (const value of [undefined, null, 3, 'a', []]) {
      expect(() => parseScheduleOf('shop', value)).toThrow(ScheduleError);
    }
  });
});

it('whatever it is given, it is read or refused', () => {
  const key = fc.constantFrom(...Object.keys(minimal), 'timezone', 'metadata', 'alarms', '__proto__', 'a');
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.jsonValue())), (entries) => {
      const value = { ...minimal, ...Object.fromEntries(entries) };
      try {
        expect(parseSchedule(value).name).toBe(value.name);
      } catch (error) {
        expect(error).toBeInstanceOf(ScheduleError);
      }
    }),
    { numRuns: 500 },
  );
});

it('a schedule may not replace its own source', () => {
  const path = 'data/rows-{logical_date}.csv';
  const schedule = {
    name: 'nightly',
    model: 'iris',
    source: { kind: 'file', path },
    sink: { kind: 'file', path },
    cron: '30 2 * * *',
  };
  expect(() => parseSchedule(schedule)).toThrow('sink.path: must be another path than that of the source');
});
