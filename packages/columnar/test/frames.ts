/** The frames in `files/`, and the model that they are for. */
import { readFileSync } from 'node:fs';
import { manifestOf } from '../../batch/test/manifest-of.js';

export const MANIFEST = manifestOf(
  'a',
  { name: 'n', type: 'int', default: 1 },
  { name: 'colour', type: 'category', values: ['red', 'green'] },
  { name: 'kind', type: 'category', values: ['x', 'y'] },
  { name: 'pair', type: 'vector', length: 2 },
);

export const fileNamed = (name: string) => readFileSync(new URL(`files/${name}`, import.meta.url));
