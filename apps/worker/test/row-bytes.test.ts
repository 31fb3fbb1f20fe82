import { ELEMENT_TYPE_NAMES, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import type { Output } from '@millrace/batch/manifest/manifest';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCase, manifestOfModel } from '../../../packages/batch/test/any-model.js';
import { manifestOf, tensorOf } from '../../../packages/batch/test/manifest-of.js';
import { RowWriter, readRow } from '../dist/cache/row-bytes.js';
import { keyBytes, rowKeys } from '../dist/cache/row-keys.js';
import type { RunOutput } from '../dist/inference/onnx-session.js';

/** Any bits, those of NaNs among them. */
function anyData(type: ElementType, length: number): fc.Arbitrary<RunOutput['data']> {
  const held = ELEMENT_TYPES[type];
  if (held.kind === 'string') {
    return fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: length, maxLength: length });
  }
  const bytes = length * held.array.BYTES_PER_ELEMENT;
  return fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((each) => new held.array(Uint8Array.from(each).buffer));
}

/** An output of a manifest, and what a run gave for a row of it. */
const anyOutput = fc
  .record({
    type: fc.constantFrom(...ELEMENT_TYPE_NAMES),
    rowShape: fc.array(fc.nat(3), { maxLength: 3 }),
    isOpen: fc.infiniteStream(fc.boolean()),
  })
  .chain(({ type, rowShape, isOpen }) => {
    const shape = rowShape.map((size) => (isOpen.next().value ? null : size));
    const length = rowShape.reduce((product, size) => product * size, 1);
    return anyData(type, length).map((data) => ({
      output: { name: 'y', type, shape } as Output,
      answer: { name: 'y', data, rowShape },
    }));
  });

const bits = ({ data, rowShape }: RunOutput) => ({
  rowShape,
  data: Array.isArray(data)
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
});

describe('a row of outputs', () => {
  it('is read back bit by bit, of every type and shape', () => {
    const writer = new RowWriter();
    fc.assert(
      fc.property(fc.array(anyOutput, { minLength: 1, maxLength: 4 }), (row) => {
        writer.restart();
        for (const { output, answer } of row) writer.tensor(output, answer);
        const read = readRow(
          row.map(({ output }) => output),
          // At any offset of its memory.
          Buffer.concat([Buffer.alloc(3), writer.bytes]).subarray(3),
        );
        expect(read.map(bits)).toEqual(row.map(({ answer }) => bits(answer)));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['that ends too soon', [1, 2, 3]],
    ['that goes on', [1, 2, 3, 4, 5]],
  ])('%s is none', (_, bytes) => {
    const output: Output = { name: 'y', type: 'float32', shape: [] };
    expect(() => readRow([output], Uint8Array.from(bytes))).toThrow(RangeError);
  });

  it.each(['float64', 'string'] as const)('of %s that claims to be longer than it is, is none', (type) => {
    const output: Output = { name: 'y', type, shape: [null, null] };
    expect(() => readRow([output], new Uint8Array(12).fill(0xff))).toThrow(RangeError);
  });
});

/** The keys of rows that are sent as these lines, one or several to a text. */
function keysOf(manifest: Parameters<typeof rowKeys>[0], ...lines: string[]): string[] {
  const rows = lines.join('\n').split('\n').length;
  const bytes = new TextEncoder().encode(lines.join('\n'));
  const { inputs, errors } = decodeChunk(
    { format: 'ndjson', firstRow: 0, rows, bytes },
    new RowReader(manifest),
  );
  expect(errors).toEqual([]);
  return rowKeys(manifest, inputs, rows);
}

describe('the keys of two rows', () => {
  it('are the same when their tensors are, and only then, of any model', () => {
    fc.assert(
      fc.property(anyCase, ({ model, rows }) => {
        const manifest = manifestOfModel(model);
        const names = model.flatMap((input) => input.features.map(({ name }) => JSON.stringify(name)));
        const objects = rows.map(
          ({ values }) => `{${values.map(({ text }, at) => `${names[at]}:${text}`).join(',')}}`,
        );
        const arrays = rows.map(
          ({ values }) =>
            `[${values
              .map(({ text }) => text)
              .reverse()
              .join(',')}]`,
        );
        const keys = keysOf(manifest, ...objects, ...arrays);
        const held = rows.map(({ values }) =>
          values.map((each) => `${each.shape} ${each.held.join()}`).join(';'),
        );
        for (const [one, first] of held.entries()) {
          for (const [other, second] of held.entries())
            expect(keys[one] === keys[rows.length + other]).toBe(first === second);
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['however a number is written', manifestOf('x', 'y'), '[1,20]', '{"y":2e1,"x":1.0}'],
    ['whatever the client calls them', manifestOf('x'), '{"x":1,"id":"a"}', '{"id":7,"x":1}'],
    [
      'when a default stands in for a value',
      manifestOf('x', { name: 'y', type: 'float', default: 5 }),
      '{"x":1}',
      '{"x":1,"y":5}',
    ],
    ['when half precision holds no more', tensorOf('float16', 'x'), '1', '1.0001'],
  ])('are the same %s', (_, manifest, one, other) => {
    const [first, second] = keysOf(manifest, one, other);
    expect(first).toBe(second);
  });

  it.each([
    [
      'one text ends where the next begins',
      tensorOf('string', text('a'), text('b')),
      '["ab","c"]',
      '["a","bc"]',
    ],
    ['a text is another', tensorOf('string', text('a')), '"é"', '"e"'],
    ['their shapes do', openTensor(), '[[1,2],[3,4]]', '[[1,2,3,4]]'],
    [
      '64 bits do in the last',
      tensorOf('int64', { name: 'x', type: 'int' }),
      '"9007199254740993"',
      '9007199254740991',
    ],
  ])('differ when %s', (_, manifest, one, other) => {
    const [first, second] = keysOf(manifest, one, other);
    expect(first).not.toBe(second);
  });

  it('have sixteen bytes', () => {
    const keys = keysOf(manifestOf('x'), '1', '2');
    expect(keyBytes(keys)).toHaveLength(32);
    expect(new Set(keys).size).toBe(2);
  });
});

function text(name: string) {
  return { name, type: 'string' as const };
}

function openTensor() {
  return tensorOf('float32', { name: 'x', type: 'tensor', shape: [null, null] });
}
