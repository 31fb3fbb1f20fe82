import { sinkFormatOf, sourceFormatOf } from '@millrace/schedule/format-of-path';
import { expect, it } from 'vitest';

it.each([
  ['a.ndjson', 'ndjson', 'ndjson'],
  ['a.JSONL', 'ndjson', 'ndjson'],
  ['a.b/c.csv', 'csv', 'csv'],
  ['a.csv.gz', 'csv', undefined],
  ['a.jsonl.gz', 'ndjson', undefined],
  ['a.parquet', 'parquet', undefined],
  ['a.parquet.gz', undefined, undefined],
  ['a.csv/b', undefined, undefined],
  ['csv', undefined, undefined],
  ['a.gz', undefined, undefined],
])('%s is read as %s and written as %s', (path, source, sink) => {
  expect(sourceFormatOf(path)).toBe(source);
  expect(sinkFormatOf(path)).toBe(sink);
});
