/** Columns of views (`string_view`), as polars writes texts. */
import { RowReader } from '@millrace/batch/rows/row-reader';
import { END_OF_STREAM, join } from '@millrace/columnar/ipc/writer';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import { expect, it } from 'vitest';
import { utf8 } from '../../batch/test/byte-pieces.js';
import { tensorOf } from '../../batch/test/manifest-of.js';
import { valuesOf } from '../../batch/test/row-values.js';
import { rawBatch, rawSchema, TYPES } from './raw-stream.js';

const BOUNDS = { maxRows: 10, maxBytes: 1e6, maxRowBytes: 1e6, maxBatchBytes: 1e6 };

/** A text that is too long for its view, which points to the first buffer. */
function viewOf(text: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(0, text.length, true);
  return new Uint8Array(view.buffer);
}

it('there may be many, each with buffers of its own', () => {
  const names = Array.from({ length: 40 }, (_, at) => `t${at}`);
  const texts = names.map((name) => `${name} is longer than twelve bytes`);
  const manifest = tensorOf('string', ...names.map((name) => ({ name, type: 'string' as const })));
  const stream = join([
    rawSchema(names.map((name) => ({ name, type: TYPES.utf8View }))),
    rawBatch({
      rows: 1,
      nodes: names.map(() => [1, 0]),
      buffers: texts.flatMap((text) => [new Uint8Array(0), viewOf(utf8(text)), utf8(text)]),
      variadic: names.map(() => 1),
    }),
    END_OF_STREAM,
  ]);
  const splitter = new ArrowSplitter({ manifest, ...BOUNDS });
  const chunks = [...splitter.push(stream), ...splitter.end()];
  const decoded = chunks.map((chunk) =>
    decodeStored({ ...chunk, format: 'arrow' }, new RowReader(manifest), manifest),
  );
  expect(decoded.flatMap(({ inputs }) => inputs.flatMap((input) => valuesOf(input, 0)))).toEqual(texts);
});
