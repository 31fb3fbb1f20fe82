import type { TensorData } from '@millrace/batch/manifest/element-types';
import type { Output } from '@millrace/batch/manifest/manifest';
import type { ShownOutputs } from '@millrace/batch/results/chunk-outcome';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { toCsvLine } from '@millrace/batch/results/csv-line';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { type Outputs, readRows, toLine } from '@millrace/batch/results/read-chunk';
import { describe, expect, it } from 'vitest';
import { textOf } from './byte-pieces.js';

const CLASSES = ['10', '9', '__proto__'];
const COLUMNS: [Output, TensorData][] = [
  [{ name: 'label', type: 'int64', shape: [], int64: 'number' }, BigInt64Array.of(2n ** 53n + 1n, 7n)],
  [
    { name: '1', type: 'float32', shape: [3], classes: CLASSES, non_finite: 'string' },
    Float32Array.of(0.1, 0.2, 0.3, Number.NaN, 1, 0),
  ],
  [{ name: '0', type: 'float64', shape: [3], top_k: 1 }, Float64Array.of(1, 3, 2, 0, 0, 0)],
  [{ name: 'text', type: 'string', shape: [] }, ['a,"b"', '']],
  [{ name: 'flag', type: 'bool', shape: [1, 2] }, Uint8Array.of(1, 0, 0, 0)],
];

const PRINTED: Record<string, [string, string]> = {
  label: ['9007199254740993', '7'],
  '1': ['{"10":0.1,"9":0.2,"__proto__":0.3}', '{"10":"NaN","9":1,"__proto__":0}'],
  '0': ['[{"class":1,"score":3}]', '[{"class":0,"score":0}]'],
  text: ['"a,\\"b\\""', '""'],
  flag: ['[[true,false]]', '[[false,false]]'],
};
const NAMES = COLUMNS.map(([{ name }]) => name);

/** Both rows' values of these outputs as an object by name. */
function objects(names: readonly string[]): string[] {
  return [0, 1].map(
    (row) => `{${names.map((name) => `${JSON.stringify(name)}:${PRINTED[name]?.[row]}`).join(',')}}`,
  );
}

function encode(shown: ShownOutputs) {
  const columns = COLUMNS.map(([output, data]) => {
    const builder = new ColumnBuilder(output, 2);
    builder.add(Uint32Array.of(0, 1), data, output.shape as number[]);
    return builder.finish();
  });
  return encodeChunk({ firstRow: 5, rows: 2, ids: ['r","prediction":1', 8], errors: [], columns, shown })
    .segments;
}

const read = (shown: ShownOutputs, outputs: Outputs) =>
  Array.from(readRows(encode(shown), 5, 2, outputs), ({ prediction }) => prediction);

describe.each(NAMES)('the primary output %s', (primary) => {
  it('is a prediction by itself', () => {
    expect(read({ primary }, 'default')).toEqual(PRINTED[primary]);
    expect(read({ primary }, 'primary')).toEqual(PRINTED[primary]);
    expect(textOf(encode({ primary }).predictions as Uint8Array)).toBe(PRINTED[primary]?.join(','));
  });

  it('is one of all when all are asked for', () => {
    expect(read({ primary }, 'all')).toEqual(objects(NAMES));
  });
});

describe.each([[['label']], [['1', '0']], [['text', 'flag', 'label']], [NAMES]])(
  'default outputs %j',
  (names) => {
    const shown: ShownOutputs = { primary: 'text', default_outputs: names };

    it('are an object by name, in the order in which they are listed', () => {
      expect(read(shown, 'default')).toEqual(objects(names));
      const { predictions, lines } = encode(shown);
      expect(textOf(predictions as Uint8Array)).toBe(objects(names).join(','));
      expect(textOf(lines as Uint8Array)).toBe(
        `{"row":5,"id":"r\\",\\"prediction\\":1","prediction":${objects(names)[0]}}\n{"row":6,"id":8,"prediction":${objects(names)[1]}}\n`,
      );
    });

    it('leave the primary one and all of them to be asked for', () => {
      expect(read(shown, 'primary')).toEqual(PRINTED.text);
      expect(read(shown, 'all')).toEqual(objects(NAMES));
    });
  },
);

it.each<Outputs>(['default', 'primary', 'all'])('the lines of %s outputs hold what is read', (outputs) => {
  const segments = encode({ primary: 'label', default_outputs: ['0', 'label'] });
  const lines = Array.from(readRows(segments, 5, 2, outputs), toLine);
  expect(lines.map((line) => JSON.parse(line).id)).toEqual(['r","prediction":1', 8]);
  if (outputs === 'default') expect(lines.join('')).toBe(textOf(segments.lines as Uint8Array));
});

it('a large integer in CSV is the one that was predicted', () => {
  const [first] = readRows(encode({ primary: 'label' }), 5, 1, 'default');
  expect(toCsvLine({ ...first, row: 5, id: undefined })).toBe('5,,9007199254740993,,\r\n');
});
