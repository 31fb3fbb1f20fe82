import { ELEMENT_TYPE_NAMES, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import type { Output } from '@millrace/batch/manifest/manifest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowWriter, readRow } from '../dist/cache/row-bytes.js';
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
    expect(() => readRow([output], new Uint8Array(12).fill(0xff))).toThrow('a tensor is larger than its row');
  });
});
