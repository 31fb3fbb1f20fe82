/** The shipped forest of 100 trees, on rows spread over the range of real flowers. */
import { join } from 'node:path';
import { mulberry32 } from '../../../test/fixtures/mulberry32.js';
import { ROOT } from '../root.js';
import type { Workload } from './workload.js';

const RANGES = [
  ['sepal_length', 4, 8],
  ['sepal_width', 2, 4.5],
  ['petal_length', 1, 7],
  ['petal_width', 0.1, 2.5],
] as const;
/** Of models/iris/1/model.json. */
const MAX_CM = 30;
const SEED = 7;

export function irisWorkload(rows: number): Workload {
  const next = mulberry32(SEED);
  const values = new Float64Array(rows * RANGES.length);
  for (let at = 0; at < values.length; at++) {
    const [, low, high] = RANGES[at % RANGES.length] as (typeof RANGES)[number];
    values[at] = Math.round((low + (high - low) * next()) * 100) / 100;
  }
  const names = RANGES.map(([name]) => name);
  return {
    model: 'iris',
    folder: join(ROOT, 'models/iris/1'),
    features: names.map((name) => ({ name, kind: 'number', min: 0, max: MAX_CM })),
    classes: [0, 1, 2],
    rows: { kind: 'numbers', names, values },
  };
}
