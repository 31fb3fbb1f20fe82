import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { parseSchedule } from '@millrace/schedule/schedule';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const SCHEDULES = new URL('schedules/', ROOT);
const text = readFileSync(new URL('schedule.schema.json', SCHEDULES), 'utf8');
const validate = new Ajv2020({ strictTypes: false }).compile(JSON.parse(text));

const nightly = {
  $schema: './schedule.schema.json',
  name: 'nightly',
  model: 'recommender@champion',
  source: { kind: 'file', path: 'data/users-{logical_date}.csv' },
  sink: {
    kind: 'postgresql',
    connection: 'warehouse',
    table: 'results',
    columns: { day: 'logical_date', items: 'prediction' },
    key: ['day'],
  },
  cron: '30 2 * * *',
  metadata: { team: 'shop' },
};

it('schedules/schedule.schema.json is what the schema says; else run: npm run build && node scripts/json-schemas.mjs', () => {
  const script = new URL('scripts/json-schemas.mjs', ROOT).pathname;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [script, '--print', 'schedules/schedule.schema.json'],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(text).toBe(stdout);
});

it('it accepts what is a schedule, the files beside it among them', () => {
  const files = readdirSync(SCHEDULES).filter((name) => name !== 'schedule.schema.json');
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, SCHEDULES), 'utf8'));
  for (const schedule of [nightly, ...files.map(read)]) {
    expect(validate(schedule), JSON.stringify(validate.errors)).toBe(true);
    expect(() => parseSchedule(schedule)).not.toThrow();
  }
});

it('it refuses a key that there is not, a value that is none, and columns that are no object', () => {
  for (const changed of [
    { ...nightly, crom: '* * * * *' },
    { ...nightly, catch_up: 'some' },
    { ...nightly, source: { ...nightly.source, bucket: 'b' } },
    { ...nightly, source: { kind: 'ftp' } },
    { ...nightly, sink: { ...nightly.sink, columns: ['day'] } },
    { ...nightly, metadata: 1 },
  ]) {
    expect(validate(changed)).toBe(false);
  }
});
