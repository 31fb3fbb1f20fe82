import { readFile } from 'node:fs/promises';
import { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import { Samples } from '@millrace/batch/manifest/samples';
import { problemsOf } from '@millrace/batch/manifest/strict';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { complete } from './manifest-of.js';

async function readIris(file: string): Promise<object> {
  return JSON.parse(await readFile(new URL(`../../../models/iris/1/${file}`, import.meta.url), 'utf8'));
}

const FEATURE = { name: 'x', type: 'float' };
const INPUT = { name: 'input', type: 'float32', shape: [1], features: ['x'] };
const OUTPUT = { name: 'y', type: 'float32', shape: [] };
const WHOLE = {
  features: [FEATURE],
  inputs: [INPUT],
  outputs: [OUTPUT],
  primary: 'y',
  limits: { micro_batch: 1024, pool: 'default' },
};

/** The problems of a model.json, one after the other. */
function problems(file: unknown, schema: z.ZodType = ManifestFile): string {
  const { error } = schema.safeParse(file);
  return error === undefined ? '' : problemsOf(error);
}

describe('the iris model', () => {
  const GRAPH = {
    inputs: [{ name: 'X', type: 'float32', shape: [null, 4] }],
    outputs: [
      { name: 'label', type: 'int64', shape: [null] },
      { name: 'probabilities', type: 'float32', shape: [null, 3] },
    ],
  } as const;

  it('has a manifest', async () => {
    const manifest = complete(await readIris('model.json'), GRAPH);
    expect(manifest.features.map((feature) => feature.name)).toEqual([
      'sepal_length',
      'sepal_width',
      'petal_length',
      'petal_width',
    ]);
    expect(manifest.primary).toBe('label');
  });

  it('has samples that are rows of it, with every output', async () => {
    const manifest = complete(await readIris('model.json'), GRAPH);
    const { samples } = Samples.parse(await readIris('samples.json'));
    const reader = new RowReader(manifest);
    for (const { row, outputs } of samples) {
      expect(reader.read(row, reader.allocate(1), 0)).toBeUndefined();
      expect(Object.keys(outputs)).toEqual(manifest.outputs.map((output) => output.name));
    }
  });
});

describe('a model.json', () => {
  it('may be empty, for the graph says the rest', () => {
    expect(ManifestFile.parse({})).toEqual({});
  });

  it('is a whole manifest only with everything in it', () => {
    expect(Manifest.parse(WHOLE)).toEqual(WHOLE);
    const expected = (kind: string) => `Invalid input: expected ${kind}, received undefined`;
    expect(problems({}, Manifest)).toBe(
      `features: ${expected('array')}; inputs: ${expected('array')}; outputs: ${expected('array')}; primary: ${expected('string')}; limits: ${expected('object')}`,
    );
  });

  it.each([
    ['a misspelled member', { desciption: 'x' }, 'unknown key "desciption"; did you mean "description"?'],
    ['a foreign member', { micro_batch: 5 }, 'unknown key "micro_batch"'],
    ['two of them', { primry: 'y', colour: 1 }, 'unknown keys "primry"; did you mean "primary"?, "colour"'],
    ...(['float', 'int', 'bool', 'string'] as const).map((type): [string, object, string] => [
      `a misspelled member of a feature of type ${type}`,
      { features: [FEATURE, { name: 'z', type, defualt: 0 }] },
      'features[1]: unknown key "defualt"; did you mean "default"?',
    ]),
    [
      'a misspelled member of a category',
      { features: [{ name: 'z', type: 'category', values: ['a'], value: ['a'] }] },
      'features[0]: unknown key "value"; did you mean "values"?',
    ],
    [
      'a misspelled member of a vector',
      { features: [{ name: 'z', type: 'vector', length: 2, lenght: 2 }] },
      'features[0]: unknown key "lenght"; did you mean "length"?',
    ],
    [
      'a misspelled member of a tensor',
      { features: [{ name: 'z', type: 'tensor', shape: [2], elements: 'int' }] },
      'features[0]: unknown key "elements"; did you mean "element"?',
    ],
    [
      'a misspelled member of an input',
      { inputs: [{ name: 'input', feature: ['x'] }] },
      'inputs[0]: unknown key "feature"; did you mean "features"?',
    ],
    [
      'a misspelled member of an output',
      { outputs: [{ name: 'y' }, { name: 'p', topk: 3 }] },
      'outputs[1]: unknown key "topk"; did you mean "top_k"?',
    ],
    [
      'a misspelled limit',
      { limits: { microbatch: 5 } },
      'limits: unknown key "microbatch"; did you mean "micro_batch"?',
    ],
  ])('is refused with %s', (_, file, problem) => {
    expect(problems(file)).toBe(problem);
  });

  it.each([
    ['no feature', { features: [] }, 'features: Too small: expected array to have >=1 items'],
    ['no output', { outputs: [] }, 'outputs: Too small: expected array to have >=1 items'],
    [
      'a nameless feature',
      { features: [{ ...FEATURE, name: '' }] },
      'features[0].name: Too small: expected string to have >=1 characters',
    ],
    [
      'an output of another type',
      { outputs: [{ name: 'y', type: 'float' }] },
      'outputs[0].type: Invalid option: expected one of "float32"|"float64"|"float16"|"int8"|"uint8"|"int16"|"uint16"|"int32"|"uint32"|"int64"|"uint64"|"bool"|"string"',
    ],
    [
      'two features of one name',
      { features: [FEATURE, { name: 'z', type: 'int' }, { ...FEATURE, type: 'int' }] },
      'features: two features are named "x"',
    ],
    [
      'two inputs of one name',
      { inputs: [{ name: 'a' }, { name: 'a' }] },
      'inputs: two inputs are named "a"',
    ],
    [
      'two outputs of one name',
      { outputs: [{ name: 'y' }, { name: 'y' }] },
      'outputs: two outputs are named "y"',
    ],
    ['min above max', { features: [{ ...FEATURE, min: 1, max: 0 }] }, 'features[0]: min is above max'],
    [
      'min above max in a vector',
      { features: [{ name: 'v', type: 'vector', length: 2, min: 1, max: 0 }] },
      'features[0]: min is above max',
    ],
    [
      'one value twice',
      { features: [{ name: 'c', type: 'category', values: ['a', 'b', 'a'] }] },
      'features[0]: two of its values are the same',
    ],
    [
      'a bound that is no number',
      { features: [{ ...FEATURE, min: '0' }] },
      'features[0].min: Invalid input: expected number, received string',
    ],
    [
      'half a micro-batch',
      { limits: { micro_batch: 0.5 } },
      'limits.micro_batch: Invalid input: expected int, received number',
    ],
    [
      'an empty micro-batch',
      { limits: { micro_batch: 0 } },
      'limits.micro_batch: Too small: expected number to be >=1',
    ],
    [
      'a micro-batch beyond the limit',
      { limits: { micro_batch: 65_537 } },
      'limits.micro_batch: Too big: expected number to be <=65536',
    ],
    [
      'a cache without a bound',
      { cache: { ttl_seconds: 60 } },
      'cache.rows: Invalid input: expected number, received undefined',
    ],
    [
      'a cache for nothing',
      { cache: { rows: 1, ttl_seconds: 0 } },
      'cache.rows: Too small: expected number to be >=2; cache.ttl_seconds: Too small: expected number to be >=1',
    ],
    [
      'a pool of capitals',
      { limits: { pool: 'GPU' } },
      'limits.pool: must be lower-case letters, digits, - and _',
    ],
    [
      'a size that is no number',
      { features: [{ name: 't', type: 'tensor', shape: [2, '3'] }] },
      'features[0].shape[1]: Invalid input: expected number, received string',
    ],
  ])('is refused with %s', (_, file, problem) => {
    expect(problems(file)).toBe(problem);
  });

  it('may allow a single value', () => {
    expect(problems({ features: [{ ...FEATURE, min: 1, max: 1 }] })).toBe('');
  });

  it.each([{ name: 'x', type: 'flaot' }, { name: 'x' }])(
    'names the types of features when one is of none: %j',
    (feature) => {
      expect(problems({ features: [feature] })).toBe(
        "features[0].type: Invalid discriminator value. Expected 'float' | 'int' | 'bool' | 'string' | 'category' | 'vector' | 'tensor'",
      );
    },
  );

  it.each([
    [['a', 1], 'features[0].values: must be a list of strings or a list of numbers'],
    ['a', 'features[0].values: must be a list of strings or a list of numbers'],
    [['a', 'b\0'], 'features[0].values[1]: must not hold U+0000'],
  ])('says what the values of a category may be, and not %j', (values, problem) => {
    expect(problems({ features: [{ name: 'c', type: 'category', values }] })).toBe(problem);
  });
});

describe('samples', () => {
  it('are compared with a small tolerance unless they say otherwise', () => {
    expect(Samples.parse({ samples: [{ row: [1], outputs: { y: 2, p: [0.5, 0.5] } }] }).tolerance).toBe(1e-5);
  });

  it.each([2, 'setosa', true, [1, 2], [['a'], [false]], []])('may know the answer %j', (answer) => {
    const samples = [{ row: [1], outputs: { y: answer } }];
    expect(Samples.parse({ samples }).samples).toEqual(samples);
  });

  it.each([
    [{ samples: [] }],
    [{}],
    [{ samples: [{ row: [1] }] }],
    [{ samples: [{ row: [1], outputs: { y: null } }] }],
    [{ samples: [{ row: [1], outputs: { y: { a: 1 } } }] }],
    [{ samples: [{ row: [1], outputs: { y: 2 }, output: 2 }] }],
    [{ tolerance: -1, samples: [{ row: [1], outputs: { y: 2 } }] }],
  ])('are not %j', (samples) => {
    expect(() => Samples.parse(samples)).toThrow(z.ZodError);
  });

  it('with a misspelled member say which one is meant', () => {
    expect(problems({ samples: [{ row: [1], outputs: { y: 2 } }], tolerence: 1 }, Samples)).toBe(
      'unknown key "tolerence"; did you mean "tolerance"?',
    );
  });
});
