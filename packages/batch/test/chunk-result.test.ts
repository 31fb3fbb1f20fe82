import {
  FAILED_ROW_CODES,
  INVALID_ROW_CODES,
  outcomeOf,
  type RowError,
  type RowId,
} from '@millrace/batch/errors';
import type { TensorData } from '@millrace/batch/manifest/element-types';
import type { Output } from '@millrace/batch/manifest/manifest';
import type { ChunkOutcome, ShownOutputs } from '@millrace/batch/results/chunk-outcome';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { csvOfLines } from '@millrace/batch/results/csv-bytes';
import { CSV_HEADER, taskErrorLine, toCsvLine } from '@millrace/batch/results/csv-line';
import { encodeChunk, encodeFailedChunk } from '@millrace/batch/results/encode-chunk';
import { readRows, toLine } from '@millrace/batch/results/read-chunk';
import { parseRecord, withoutLineEnd } from '@millrace/batch/rows/csv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { split, textOf } from './byte-pieces.js';

/** One row as it is to come back: its label, its score and its shares, or the reason why there are none. */
interface Row {
  id: RowId | undefined;
  label: bigint;
  score: number;
  shares: number[];
  code: RowError['code'] | undefined;
}

const anyRow: fc.Arbitrary<Row> = fc.record({
  id: fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant('a,"b"\r\n')), {
    nil: undefined,
  }),
  label: fc.oneof(fc.integer().map(BigInt), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  score: fc.oneof(
    { weight: 9, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
    fc.constantFrom(Number.NaN, Infinity),
  ),
  shares: fc.array(
    fc.oneof(
      { weight: 19, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
      fc.constantFrom(Number.NaN, -Infinity),
    ),
    { minLength: 2, maxLength: 2 },
  ),
  code: fc.option(fc.constantFrom(...INVALID_ROW_CODES, ...FAILED_ROW_CODES), { nil: undefined, freq: 2 }),
});
const anyRows = fc.array(anyRow, { minLength: 1, maxLength: 12 });

const MESSAGE = 'x: got the string "a, b"';

function outcomeFor(rows: readonly Row[], firstRow: number): ChunkOutcome {
  const errors: RowError[] = [];
  rows.forEach(({ code, id }, place) => {
    if (code === undefined) return;
    const error: RowError = { row: firstRow + place, code, message: MESSAGE };
    errors.push(id === undefined ? error : { ...error, id });
  });
  const good = rows.filter(({ code }) => code === undefined);
  const places = Uint32Array.from(rows.keys()).filter((place) => rows[place]?.code === undefined);
  const column = (output: Output, data: TensorData) => {
    const builder = new ColumnBuilder(output, rows.length);
    if (places.length > 0) builder.add(places, data, output.shape as number[]);
    return builder.finish();
  };
  const outcome: ChunkOutcome = {
    firstRow,
    rows: rows.length,
    errors,
    columns: [
      column(
        { name: 'shares', type: 'float32', shape: [2] },
        Float32Array.from(good.flatMap((row) => row.shares)),
      ),
      column(
        { name: 'a "score"', type: 'float64', shape: [] },
        Float64Array.from(good.map((row) => row.score)),
      ),
      column({ name: 'label', type: 'int64', shape: [] }, BigInt64Array.from(good.map((row) => row.label))),
    ],
    shown: { primary: 'label' },
  };
  return rows.some((row) => row.id !== undefined) ? { ...outcome, ids: rows.map((row) => row.id) } : outcome;
}

function codeOf({ code, score, shares }: Row): RowError['code'] | undefined {
  return code ?? ([score, ...shares].every(Number.isFinite) ? undefined : 'non_finite_output');
}

const labelOf = (label: bigint) => (Number.isSafeInteger(Number(label)) ? Number(label) : String(label));
/** JSON has one zero, and a float32 comes back as some double that rounds to it. */
const sameNumber = (value: number) => Math.fround(value) + 0;

/** What is read of the rows, with predictions parsed. */
function parsed(rows: readonly Row[], firstRow: number, outputs: 'primary' | 'all') {
  const { segments } = encodeChunk(outcomeFor(rows, firstRow));
  return Array.from(readRows(segments, firstRow, rows.length, outputs), ({ row, id, prediction, error }) => {
    return { row, id: id ?? undefined, prediction: prediction && JSON.parse(prediction), code: error?.code };
  });
}

describe('rows that are encoded and read back', () => {
  it('have their number, id, prediction or error, in order', () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), (rows, firstRow) => {
        expect(parsed(rows, firstRow, 'primary')).toEqual(
          rows.map((row, place) => {
            const code = codeOf(row);
            const prediction = code === undefined ? labelOf(row.label) : undefined;
            return { row: firstRow + place, id: row.id, prediction, code };
          }),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('have every output by name when all are asked for', () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), (rows, firstRow) => {
        const read = parsed(rows, firstRow, 'all');
        rows.forEach((row, place) => {
          const prediction = read[place]?.prediction;
          if (codeOf(row) !== undefined) {
            expect(prediction).toBeUndefined();
            return;
          }
          expect(Object.keys(prediction)).toEqual(['shares', 'a "score"', 'label']);
          expect(prediction.label).toBe(labelOf(row.label));
          expect(prediction['a "score"']).toBe(row.score + 0);
          expect(prediction.shares.map(sameNumber)).toEqual(row.shares.map(sameNumber));
        });
      }),
      { numRuns: 300 },
    );
  });

  it('are counted once each', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const outcomes = rows.map(codeOf).map((code) => (code === undefined ? 'succeeded' : outcomeOf(code)));
        const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
        const counts = { succeeded: count('succeeded'), invalid: count('invalid'), failed: count('failed') };
        expect(encodeChunk(outcomeFor(rows, 5)).counts).toEqual(counts);
      }),
    );
  });
});

describe('the stored bytes', () => {
  it('are lists and lines that a client can parse as they are', () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), (rows, firstRow) => {
        const { segments } = encodeChunk(outcomeFor(rows, firstRow));
        const read = [...readRows(segments, firstRow, rows.length, 'primary')];
        const list = (name: string) => JSON.parse(`[${textOf(segments[name] ?? new Uint8Array())}]`);
        expect(list('predictions')).toEqual(
          rows.map((row) => (codeOf(row) === undefined ? labelOf(row.label) : null)),
        );
        expect(list('errors')).toEqual(read.flatMap(({ error }) => error ?? []));
        const lines = split([segments.lines ?? new Uint8Array()], { format: 'ndjson', maxRows: 1 });
        expect(lines.map(({ bytes }) => JSON.parse(textOf(bytes)))).toEqual(
          read.map(({ row, id, prediction, error }) => ({
            row,
            ...(id === undefined || id === null ? {} : { id }),
            ...(error === undefined
              ? { prediction: JSON.parse(prediction ?? '') }
              : { error: { code: error.code, message: error.message } }),
          })),
        );
        expect(textOf(segments.lines ?? new Uint8Array())).toBe(read.map(toLine).join(''));
      }),
      { numRuns: 300 },
    );
  });

  it('hold only what there is', () => {
    const row: Row = { id: undefined, label: 1n, score: 1, shares: [0, 1], code: undefined };
    expect(Object.keys(encodeChunk(outcomeFor([row], 0)).segments)).toEqual([
      'predictions',
      'lines',
      'columns',
      'column:0',
      'column:1',
      'column:2',
    ]);
    expect(Object.keys(encodeChunk(outcomeFor([{ ...row, code: 'wrong_type' }], 0)).segments)).toEqual([
      'predictions',
      'lines',
      'errors',
    ]);
  });
});

it('a NaN or an infinity in any output of a row is an error that names the output', () => {
  const score = new ColumnBuilder({ name: 'score', type: 'float32', shape: [] }, 4);
  score.add(Uint32Array.of(0, 1, 2, 3), Float32Array.of(1, Number.NaN, -Infinity, 2), []);
  const columns = [score.finish()];
  const outcome = { firstRow: 7, rows: 4, ids: [undefined, 'b'], columns, shown: { primary: 'score' } };
  const wrong: RowError = { row: 9, code: 'wrong_type', message: 'x' };
  const { counts, segments } = encodeChunk({ ...outcome, errors: [wrong] });
  expect(counts).toEqual({ succeeded: 2, invalid: 1, failed: 1 });
  expect(textOf(segments.predictions ?? new Uint8Array())).toBe('1,null,null,2');
  expect([...readRows(segments, 7, 4, 'primary')].map(({ error }) => error)).toEqual([
    undefined,
    {
      row: 8,
      id: 'b',
      code: 'non_finite_output',
      message: 'the model\'s output "score" is not a finite number',
    },
    wrong,
    undefined,
  ]);
});

it('a chunk that could not be processed has the same error for every row', () => {
  const { counts, segments } = encodeFailedChunk(3, 2, 'worker_lost', 'why');
  expect(counts).toEqual({ succeeded: 0, invalid: 0, failed: 2 });
  expect(textOf(segments.predictions ?? new Uint8Array())).toBe('null,null');
  expect([...readRows(segments, 3, 2, 'all')].map(({ error }) => error)).toEqual([
    { row: 3, code: 'worker_lost', message: 'why' },
    { row: 4, code: 'worker_lost', message: 'why' },
  ]);
});

describe('a line of CSV', () => {
  it('is read back as the row it was written from', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const { segments } = encodeChunk(outcomeFor(rows, 0));
        for (const result of readRows(segments, 0, rows.length, 'all')) {
          const { row, id, prediction, error } = result;
          expect(parseRecord(withoutLineEnd(toCsvLine(result)))).toEqual(
            [row, id ?? '', prediction ?? '', error?.code ?? '', error?.message ?? ''].map(String),
          );
        }
      }),
    );
  });

  it('is the same, made of a row or of its stored line', () => {
    const shown = fc.constantFrom<ShownOutputs>(
      { primary: 'label' },
      { primary: 'shares' },
      { primary: 'label', default_outputs: ['label', 'shares'] },
    );
    fc.assert(
      fc.property(anyRows, fc.nat(), shown, (rows, firstRow, each) => {
        const { segments } = encodeChunk({ ...outcomeFor(rows, firstRow), shown: each });
        const lines = Array.from(readRows(segments, firstRow, rows.length, 'default'), toCsvLine);
        expect(textOf(csvOfLines(segments.lines ?? new Uint8Array()))).toBe(lines.join(''));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['"setosa"', 'setosa'],
    ['"é"', 'é'],
    ['"a, b"', '"a, b"'],
    ['"a\\"b}"', '"a""b}"'],
    ['"a\\\\\\n"', '"a\\\n"'],
    ['""', ''],
    ['-1.5e-7', '-1.5e-7'],
    ['true', 'true'],
    ['[1]', '[1]'],
    ['{}', '{}'],
    ['["é,",2]', '"[""é,"",2]"'],
  ])('has the prediction %s as %s', (prediction, field) => {
    const lines = new TextEncoder().encode(`{"row":7,"id":"}","prediction":${prediction}}\n`);
    expect(textOf(csvOfLines(lines))).toBe(`7,},${field},,\r\n`);
  });

  it.each([
    [{ row: 0, prediction: '2' }, '0,,2,,\r\n'],
    [{ row: 1, id: 'a,b', prediction: '[1,2]' }, '1,"a,b","[1,2]",,\r\n'],
    [{ row: 2, id: 5, prediction: '"9007199254740993"' }, '2,5,9007199254740993,,\r\n'],
    [
      { row: 3, error: { row: 3, code: 'wrong_type', message: 'got "x"' } as const },
      '3,,,wrong_type,"got ""x"""\r\n',
    ],
  ])('%j', (result, line) => {
    expect(toCsvLine(result)).toBe(line);
    expect(CSV_HEADER.split(',')).toHaveLength(5);
  });

  it('may stand for a task that came to nothing', () => {
    expect(taskErrorLine({ code: 'upload_aborted', message: 'why, "so"' })).toBe(
      ',,,upload_aborted,"why, ""so"""\r\n',
    );
  });
});
