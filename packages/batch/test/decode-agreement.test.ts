import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeChunk, parseChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyCsv, anyNdjson } from './any-chunk.js';
import { split } from './byte-pieces.js';
import { rowShape, valuesOf } from './row-values.js';

/** All that a chunk came to. */
function contentOf({ inputs, ...rest }: DecodedChunk) {
  const values = Array.from(rest.valid, (_, row) =>
    inputs.map((input) => ({ shape: rowShape(input, row), values: valuesOf(input, row) })),
  );
  return { ...rest, values };
}

it.each([
  ['NDJSON', anyNdjson],
  ['CSV', anyCsv],
])('rows of %s come to the same, whether they are read by their layout or parsed', (_, anyChunk) => {
  fc.assert(
    fc.property(anyChunk, ({ manifest, source }) => {
      const reader = new RowReader(manifest);
      const rows = split([source.bytes], source).reduce((sum, chunk) => sum + chunk.rows, 0);
      const decoded = decodeChunk({ ...source, rows }, reader);
      expect(contentOf(decoded)).toEqual(contentOf(parseChunk({ ...source, rows }, reader)));
    }),
    { numRuns: 800 },
  );
});
