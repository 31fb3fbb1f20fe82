/** The shipped model of texts, on the reviews that were held out when it was trained. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ROOT } from '../root.js';
import type { Workload } from './workload.js';

/** Of models/sentiment/1/model.json. */
const MAX_LENGTH = 20_000;

/** @param rows the reviews begin again when there are not so many */
export function sentimentWorkload(rows: number): Workload {
  const lines = gunzipSync(readFileSync(join(ROOT, 'test/reference/sentiment.ndjson.gz')))
    .toString()
    .trimEnd()
    .split('\n');
  const reviews = lines.map((line) => (JSON.parse(line) as { row: { text: string } }).row.text);
  return {
    model: 'sentiment',
    folder: join(ROOT, 'models/sentiment/1'),
    features: [{ name: 'text', kind: 'text', maxLength: MAX_LENGTH }],
    classes: ['negative', 'positive'],
    rows: {
      kind: 'texts',
      names: ['text'],
      values: Array.from({ length: rows }, (_, row) => reviews[row % reviews.length] as string),
    },
  };
}
