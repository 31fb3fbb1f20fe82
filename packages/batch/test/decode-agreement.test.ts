import type { ChunkSource, DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { LayoutReader } from '@millrace/batch/rows/layout-reader';
import { RecordParser } from '@millrace/batch/rows/record-parser';
import { RowCollector } from '@millrace/batch/rows/row-collector';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { expect, it, onTestFinished, vi } from 'vitest';
import { anyCsv, anyNdjson } from './any-chunk.js';
import { split } from './byte-pieces.js';
import { rowShape, valuesOf } from './row-values.js';

/** What `decodeChunk` gives, with all records parsed as text. */
function parseChunk(source: ChunkSource, reader: RowReader): DecodedChunk {
  const collector = new RowCollector(source, reader);
  new RecordParser(source, reader, collector).readRest(0);
  return collector.finish();
}

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
  const { results } = vi.spyOn(LayoutReader.prototype, 'read').mock;
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  let compared = 0;
  fc.assert(
    fc.property(anyChunk, ({ manifest, source }) => {
      const reader = new RowReader(manifest);
      const rows = split([source.bytes], source).reduce((sum, chunk) => sum + chunk.rows, 0);
      const decoded = decodeChunk({ ...source, rows }, reader);
      expect(contentOf(decoded)).toEqual(contentOf(parseChunk({ ...source, rows }, reader)));
      compared += rows;
    }),
    { numRuns: 800 },
  );
  // Rows that are parsed both times would agree whatever a layout made of them.
  const byLayout = results.filter(({ value }) => value !== undefined).length;
  expect(byLayout).toBeGreaterThan(compared / 6);
});
