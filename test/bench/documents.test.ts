import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verdict } from '../../bench/dist/bench/src/documents/aims.js';
import { withBlocks } from '../../bench/dist/bench/src/documents/blocks.js';
import {
  DOCUMENTS,
  documentBlocks,
  REFERENCE,
} from '../../bench/dist/bench/src/documents/document-blocks.js';
import { Figures, markdownTable, spreadText } from '../../bench/dist/bench/src/documents/figures.js';
import type { BenchReport } from '../../bench/dist/bench/src/report.js';
import { SCENARIO_NAMES } from '../../bench/dist/bench/src/scenarios/names.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const reference = JSON.parse(read(REFERENCE)) as BenchReport;

it('the reference run is a whole one, in which nothing differed', () => {
  expect(reference).toMatchObject({ quick: false, failures: [], left_out: [] });
  expect(reference.scenarios.map(({ name }) => name)).toEqual(SCENARIO_NAMES);
});

// When this fails: npm run bench:documents
it.each(DOCUMENTS)('%s has the figures of the reference run', (path) => {
  expect(withBlocks(read(path), documentBlocks(reference))).toBe(read(path));
});

it('every block is in a document', () => {
  const marked = DOCUMENTS.flatMap((path) => [...read(path).matchAll(/<!-- bench: (\S+) -->/g)]);
  expect(marked.map(([, name]) => name).sort()).toEqual(Object.keys(documentBlocks(reference)).sort());
});

it('a block replaces what is between its marks, and nothing else', () => {
  const document = (block: string) => `before\n<!-- bench: a -->\n${block}\n<!-- end -->\nafter\n`;
  expect(withBlocks(document('old\nlines'), { a: 'costs $1', b: 'of another' })).toBe(document('costs $1'));
  expect(() => withBlocks(document('old'), { b: '' })).toThrow('nothing by the name of a');
  expect(() => withBlocks('without marks', { a: '' })).toThrow('marks no place');
});

describe('a verdict', () => {
  const reached = (name: string, median: number) => ({
    name,
    spread: { median, low: 0, high: 9 },
    isReached: (value: number) => value >= 1,
  });
  it.each([
    ['yes', [reached('a', 1), reached('b', 2)]],
    ['b', [reached('a', 0.99), reached('b', 2)]],
    ['**no**', [reached('a', 0.99)]],
    ['', [{ ...reached('a', 2), spread: undefined }]],
    ['', [{ name: 'a', spread: { median: 1, low: 1, high: 1 } }]],
  ])('is "%s"', (text, all) => {
    expect(verdict(all)).toBe(text);
  });
});

it('CPU is that of the processes of a peer, in each run, and what is not in the run is a dash', () => {
  const samples = [1, 2, 3].map((api) => ({
    rows: 2_000_000,
    seconds: 1,
    cpu_seconds: { api, worker: 4, driver: 50 },
  }));
  const variant = { name: 'v', rate: { median: 1, low: 1, high: 1 }, ratios: {}, samples };
  const scenario = {
    name: 's',
    unit: 'rows/s',
    references: [],
    settings: {},
    versions: {},
    variants: [variant],
  };
  const figures = new Figures({ ...reference, scenarios: [scenario as BenchReport['scenarios'][number]] });
  expect(figures.cpu('s', 'v')).toEqual({ median: 3, low: 2.5, high: 3.5 });
  expect(figures.cpu('s', 'v', ['api'])).toEqual({ median: 1, low: 0.5, high: 1.5 });
  expect(figures.cpu('s', 'v', ['broker'])).toBeUndefined();
  expect(spreadText(figures.ratio('s', 'another', 'v'))).toBe('–');
  expect(
    markdownTable([
      ['', 'b'],
      ['1', '2'],
    ]),
  ).toBe('| | b |\n|---|---|\n| 1 | 2 |');
});
