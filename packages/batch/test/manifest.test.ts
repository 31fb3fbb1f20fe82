import { readFile } from 'node:fs/promises';
import { Manifest, Samples } from '@millrace/batch/manifest';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

async function readIris(file: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`../../../models/iris/1/${file}`, import.meta.url), 'utf8'));
}

const FEATURE = { name: 'x', type: 'float' };
const OUTPUT = { name: 'y', type: 'float32' };
const MINIMAL = { input: { name: 'input' }, features: [FEATURE], outputs: [OUTPUT], primary: 'y' };

/** The problems of a manifest, one a line. */
function problems(manifest: unknown): string[] {
  const { error } = Manifest.safeParse(manifest);
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
}

describe('the iris model', () => {
  it('has a manifest', async () => {
    const manifest = Manifest.parse(await readIris('model.json'));
    expect(manifest.features.map((feature) => feature.name)).toEqual([
      'sepal_length',
      'sepal_width',
      'petal_length',
      'petal_width',
    ]);
    expect(manifest.primary).toBe('label');
  });

  it('has samples that are rows of it, with every output', async () => {
    const manifest = Manifest.parse(await readIris('model.json'));
    const { samples } = Samples.parse(await readIris('samples.json'));
    const reader = new RowReader(manifest);
    for (const { row, outputs } of samples) {
      expect(reader.read(row, new Float32Array(reader.width), 0)).toBeUndefined();
      expect(Object.keys(outputs)).toEqual(manifest.outputs.map((output) => output.name));
    }
  });
});

describe('a manifest', () => {
  it('needs an input, features, outputs and the primary one', () => {
    expect(Manifest.parse(MINIMAL)).toEqual({ ...MINIMAL, micro_batch: 1024 });
    expect(problems({})).toEqual([
      'input: Invalid input: expected object, received undefined',
      'features: Invalid input: expected array, received undefined',
      'outputs: Invalid input: expected array, received undefined',
      'primary: Invalid input: expected string, received undefined',
    ]);
    expect(problems({ ...MINIMAL, features: [], outputs: [] })).toEqual([
      'features: Too small: expected array to have >=1 items',
      'outputs: Too small: expected array to have >=1 items',
      'primary: "y" is not one of the outputs',
    ]);
  });

  it.each([
    ['a misspelled member', { micro_bach: 5 }, ': Unrecognized key: "micro_bach"'],
    [
      'a misspelled member of a feature',
      { features: [{ ...FEATURE, mim: 0 }] },
      'features.0: Unrecognized key: "mim"',
    ],
    [
      'a nameless feature',
      { features: [{ ...FEATURE, name: '' }] },
      'features.0.name: Too small: expected string to have >=1 characters',
    ],
    [
      'a feature of another type',
      { features: [{ ...FEATURE, type: 'string' }] },
      'features.0.type: Invalid option: expected one of "float"|"int"',
    ],
    [
      'an output of another type',
      { outputs: [{ ...OUTPUT, type: 'float' }] },
      'outputs.0.type: Invalid option: expected one of "float32"|"float64"|"int32"|"int64"',
    ],
    [
      'two features of one name',
      { features: [FEATURE, { name: 'z', type: 'int' }, { ...FEATURE, type: 'int' }] },
      'features: two features are named "x"',
    ],
    ['two outputs of one name', { outputs: [OUTPUT, OUTPUT] }, 'outputs: two outputs are named "y"'],
    ['a primary that is no output', { primary: 'x' }, 'primary: "x" is not one of the outputs'],
    ['min above max', { features: [{ ...FEATURE, min: 1, max: 0 }] }, 'features.0: min is above max'],
    [
      'a bound that is no number',
      { features: [{ ...FEATURE, min: '0' }] },
      'features.0.min: Invalid input: expected number, received string',
    ],
    [
      'an output without width',
      { outputs: [{ ...OUTPUT, width: 0 }] },
      'outputs.0.width: Too small: expected number to be >=1',
    ],
    ['half a micro-batch', { micro_batch: 0.5 }, 'micro_batch: Invalid input: expected int, received number'],
    ['an empty micro-batch', { micro_batch: 0 }, 'micro_batch: Too small: expected number to be >=1'],
  ])('is refused with %s', (_, change, problem) => {
    expect(problems({ ...MINIMAL, ...change })).toEqual([problem]);
  });

  it('may have one value that is allowed', () => {
    expect(problems({ ...MINIMAL, features: [{ ...FEATURE, min: 1, max: 1 }] })).toEqual([]);
  });

  it('takes names that objects inherit', () => {
    const outputs = [{ name: '__proto__', type: 'int64' }];
    expect(problems({ ...MINIMAL, outputs, primary: '__proto__' })).toEqual([]);
    expect(problems({ ...MINIMAL, primary: 'constructor' })).toEqual([
      'primary: "constructor" is not one of the outputs',
    ]);
  });
});

describe('samples', () => {
  it('are compared with a small tolerance unless they say otherwise', () => {
    expect(Samples.parse({ samples: [{ row: [1], outputs: { y: 2, p: [0.5, 0.5] } }] }).tolerance).toBe(1e-5);
  });

  it.each([
    [{ samples: [] }],
    [{}],
    [{ samples: [{ row: [1] }] }],
    [{ samples: [{ row: [1], outputs: { y: '2' } }] }],
    [{ samples: [{ row: [1], outputs: { y: 2 }, output: 2 }] }],
    [{ tolerance: -1, samples: [{ row: [1], outputs: { y: 2 } }] }],
  ])('are not %j', (samples) => {
    expect(() => Samples.parse(samples)).toThrow(z.ZodError);
  });
});
