import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCase, manifestOfModel } from '../../../packages/batch/test/any-model.js';
import { manifestOf, tensorOf } from '../../../packages/batch/test/manifest-of.js';
import { rowShape, valuesOf } from '../../../packages/batch/test/row-values.js';
import { keyBytes, rowKeys } from '../dist/cache/row-keys.js';

function decoded(manifest: Manifest, lines: readonly string[]) {
  const bytes = new TextEncoder().encode(lines.join('\n'));
  const source = { format: 'ndjson', firstRow: 0, rows: lines.length, bytes } as const;
  const { inputs, errors } = decodeChunk(source, new RowReader(manifest));
  expect(errors).toEqual([]);
  return inputs;
}

const keysOf = (manifest: Manifest, ...lines: string[]) =>
  rowKeys(manifest, decoded(manifest, lines), lines.length);

describe('the keys of two rows', () => {
  it('are the same when their tensors are, and only then, of any model', () => {
    fc.assert(
      fc.property(anyCase, ({ model, rows }) => {
        const manifest = manifestOfModel(model);
        const names = model.flatMap((input) => input.features.map(({ name }) => JSON.stringify(name)));
        const lines = rows.flatMap(({ values }) => {
          const texts = values.map(({ text }) => text);
          const members = texts.map((text, at) => `${names[at]}:${text}`);
          return [`{${members.join(',')}}`, `[${texts.reverse().join(',')}]`];
        });
        const inputs = decoded(manifest, lines);
        const keys = rowKeys(manifest, inputs, lines.length);
        const held = lines.map((_, row) =>
          inputs.map((input) => [rowShape(input, row), valuesOf(input, row)]),
        );
        for (const [one, tensors] of held.entries()) {
          for (const [other, others] of held.entries())
            expect(keys[one] === keys[other]).toBe(isDeepStrictEqual(tensors, others));
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
