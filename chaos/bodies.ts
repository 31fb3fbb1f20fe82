/** The bodies that are submitted. Each is made of its own name, so that it is the same in every run and under every seed. */
import { CRASHES, lasting, THROWS } from '../test/fixtures/poison-model.js';
import { Draw } from './draw.js';

export type Flaw = 'none' | 'invalid' | 'throws' | 'crashes' | 'hangs';
type Format = 'json' | 'ndjson' | 'csv';

export interface BodySpec {
  model: 'iris' | 'poison';
  format: Format;
  rows: number;
  flaw: Flaw;
}

export interface Body {
  /** For example `poison csv 4000 none`. */
  name: string;
  path: string;
  type: string;
  bytes: Buffer;
}

/** What most tasks are made of. */
export const BODIES: readonly BodySpec[] = [
  { model: 'iris', format: 'ndjson', rows: 1, flaw: 'none' },
  { model: 'iris', format: 'json', rows: 40, flaw: 'invalid' },
  { model: 'iris', format: 'csv', rows: 2_000, flaw: 'invalid' },
  { model: 'iris', format: 'csv', rows: 70_000, flaw: 'none' },
  { model: 'iris', format: 'ndjson', rows: 40_000, flaw: 'none' },
  { model: 'poison', format: 'json', rows: 3, flaw: 'invalid' },
  { model: 'poison', format: 'json', rows: 200, flaw: 'throws' },
  { model: 'poison', format: 'ndjson', rows: 1_500, flaw: 'none' },
  { model: 'poison', format: 'csv', rows: 4_000, flaw: 'none' },
  { model: 'poison', format: 'ndjson', rows: 3_000, flaw: 'invalid' },
  { model: 'poison', format: 'csv', rows: 1_000, flaw: 'throws' },
  { model: 'poison', format: 'ndjson', rows: 2_500, flaw: 'throws' },
];
/** Each costs two workers and some seconds. */
export const CRASHING: readonly BodySpec[] = [
  { model: 'poison', format: 'csv', rows: 60, flaw: 'crashes' },
  { model: 'poison', format: 'ndjson', rows: 1_200, flaw: 'crashes' },
];
/** Costs a thread, and more seconds than anything else. */
export const HANGING: BodySpec = { model: 'poison', format: 'ndjson', rows: 80, flaw: 'hangs' };

/** Longer than the time limit of the platform's chunks, and not so long that it wears the machine down. */
const HANG_SECONDS = 20;
/** Turns of the model's loop: a micro-batch of such rows takes up to about a millisecond. */
const PACE = { low: 500, high: 1_500 };

const TYPES: Record<Format, string> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
};

type Row = Record<string, number | string>;

export function bodyName({ model, format, rows, flaw }: BodySpec): string {
  return `${model} ${format} ${rows} ${flaw}`;
}

export function makeBody(spec: BodySpec): Body {
  const name = bodyName(spec);
  const draw = new Draw([...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7));
  const hasIds = draw.chance(0.5);
  const rowOf = spec.model === 'iris' ? irisRow : poisonRow;
  const rows = Array.from({ length: spec.rows }, (_, at): Row => {
    return { ...rowOf(draw), ...(hasIds ? { id: `row-${at}` } : {}) };
  });
  for (const at of flawedRows(spec, draw)) Object.assign(rows[at] as Row, flawed(spec, draw));
  return {
    name,
    path: `/batch-predict?model=${spec.model}&on_invalid=report`,
    type: TYPES[spec.format],
    bytes: Buffer.from(WRITERS[spec.format](rows)),
  };
}

function irisRow(draw: Draw): Row {
  return {
    sepal_length: draw.int(400, 800) / 100,
    sepal_width: draw.int(200, 450) / 100,
    petal_length: draw.int(100, 700) / 100,
    petal_width: draw.int(10, 250) / 100,
  };
}

function poisonRow(draw: Draw): Row {
  return { x: draw.int(PACE.low, PACE.high) };
}

function flawedRows({ rows, flaw }: BodySpec, draw: Draw): number[] {
  const counts: Record<Flaw, number> = {
    none: 0,
    invalid: Math.ceil(rows / 50),
    throws: Math.ceil(rows / 500),
    crashes: 1,
    hangs: 1,
  };
  return Array.from({ length: counts[flaw] }, () => draw.int(0, rows - 1));
}

function flawed({ model, flaw }: BodySpec, draw: Draw): Row {
  if (model === 'iris') return { petal_width: 'wide' };
  switch (flaw) {
    case 'none':
      return {};
    case 'invalid':
      return { x: draw.one(['many', 2 ** 40, 0.5]) };
    case 'throws':
      return { x: THROWS };
    case 'crashes':
      return { x: CRASHES };
    case 'hangs':
      return { x: lasting(HANG_SECONDS) };
  }
}

const WRITERS: Record<Format, (rows: readonly Row[]) => string> = {
  json: (rows) => JSON.stringify(rows),
  ndjson: (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  csv: (rows) => {
    const names = Object.keys(rows[0] as Row);
    return [names, ...rows.map((row) => names.map((name) => row[name]))]
      .map((cells) => `${cells}\n`)
      .join('');
  },
};
