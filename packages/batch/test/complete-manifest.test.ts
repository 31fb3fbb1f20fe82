import type { Dimension, Graph, GraphTensor } from '@millrace/batch/manifest/graph';
import { Manifest } from '@millrace/batch/manifest/manifest';
import { describe, expect, it } from 'vitest';
import { complete } from './manifest-of.js';

const tensor = (name: string, type: GraphTensor['type'], ...shape: Dimension[]): GraphTensor => ({
  name,
  type,
  shape,
});
const Y = tensor('y', 'float32', null);
const graph = (inputs: GraphTensor[], outputs: GraphTensor[] = [Y]): Graph => ({ inputs, outputs });

describe('a bare graph has a feature for each of its inputs', () => {
  it.each<[GraphTensor, object, Dimension[]]>([
    [tensor('x', 'float32', null), { type: 'float' }, []],
    [tensor('x', 'float64', null, 1), { type: 'float' }, [1]],
    [tensor('x', 'float16', null), { type: 'float' }, []],
    [tensor('x', 'int8', null), { type: 'int' }, []],
    [tensor('x', 'uint8', null), { type: 'int' }, []],
    [tensor('x', 'int16', null), { type: 'int' }, []],
    [tensor('x', 'uint16', null, 1), { type: 'int' }, [1]],
    [tensor('x', 'int32', null), { type: 'int' }, []],
    [tensor('x', 'uint32', null), { type: 'int' }, []],
    [tensor('x', 'int64', null, 1), { type: 'int' }, [1]],
    [tensor('x', 'uint64', null), { type: 'int' }, []],
    [tensor('x', 'bool', null), { type: 'bool' }, []],
    [tensor('x', 'string', null, 1), { type: 'string' }, [1]],
    [tensor('x', 'float32', null, 4), { type: 'vector', length: 4, element: 'float' }, [4]],
    [tensor('x', 'uint64', null, 2), { type: 'vector', length: 2, element: 'int' }, [2]],
    [tensor('x', 'bool', null, 3), { type: 'vector', length: 3, element: 'bool' }, [3]],
    [tensor('x', 'string', null, 2), { type: 'vector', length: 2, element: 'string' }, [2]],
    [tensor('x', 'int64', null, null), { type: 'tensor', shape: [null], element: 'int' }, [null]],
    [tensor('x', 'float32', null, 1, 1), { type: 'tensor', shape: [1, 1], element: 'float' }, [1, 1]],
    [
      tensor('x', 'float16', null, null, 5),
      { type: 'tensor', shape: [null, 5], element: 'float' },
      [null, 5],
    ],
    [tensor('x', 'uint8', null, 3, 8, 8), { type: 'tensor', shape: [3, 8, 8], element: 'int' }, [3, 8, 8]],
    [
      tensor('x', 'string', null, 2, null, null),
      { type: 'tensor', shape: [2, null, null], element: 'string' },
      [2, null, null],
    ],
  ])('%j', (input, feature, shape) => {
    const manifest = complete({}, graph([input]));
    expect(manifest.features).toEqual([{ name: 'x', ...feature }]);
    expect(manifest.inputs).toEqual([{ name: 'x', type: input.type, shape, features: ['x'] }]);
  });

  it('of several inputs too', () => {
    const inputs = [
      tensor('ids', 'int64', null, null),
      tensor('mask', 'bool', null, 4),
      tensor('t', 'float32', null),
    ];
    expect(complete({}, graph(inputs))).toMatchObject({
      features: [
        { name: 'ids', type: 'tensor', shape: [null], element: 'int' },
        { name: 'mask', type: 'vector', length: 4, element: 'bool' },
        { name: 't', type: 'float' },
      ],
      inputs: [
        { name: 'ids', features: ['ids'] },
        { name: 'mask', features: ['mask'] },
        { name: 't', features: ['t'] },
      ],
    });
  });
});

describe('a bare graph has outputs', () => {
  it.each<[GraphTensor, Dimension[]]>([
    [tensor('y', 'int64', null), []],
    [tensor('y', 'bool', null, 1), []],
    [tensor('y', 'float32', null, 3), [3]],
    [tensor('y', 'string', null, null), [null]],
    [tensor('y', 'float16', null, 1, 1), [1, 1]],
    [tensor('y', 'float64', null, null, 2, 2), [null, 2, 2]],
  ])('%j', (output, shape) => {
    const manifest = complete({}, graph([tensor('x', 'float32', null)], [output]));
    expect(manifest).toMatchObject({ outputs: [{ name: 'y', type: output.type, shape }], primary: 'y' });
  });

  it('of which the first is the primary one', () => {
    const outputs = [tensor('label', 'int64', null), tensor('p', 'float32', null, 3)];
    const manifest = complete({}, graph([tensor('x', 'float32', null)], outputs));
    expect(manifest.primary).toBe('label');
    expect(manifest).not.toHaveProperty('default_outputs');
    expect(complete({ primary: 'p' }, graph([tensor('x', 'float32', null)], outputs)).primary).toBe('p');
  });
});

describe('a micro-batch', () => {
  it.each<[GraphTensor, number]>([
    [tensor('x', 'float32', null), 4096],
    [tensor('x', 'float32', null, 255), 4096],
    [tensor('x', 'float32', null, 256), 4080],
    [tensor('x', 'float32', null, null, 64), 255],
    [tensor('x', 'float32', null, 3, 224, 224), 6],
    [tensor('x', 'float32', null, 3, 1024, 1024), 1],
  ])('for %j has %d rows', (input, rows) => {
    expect(complete({}, graph([input])).limits).toEqual({ pool: 'default', micro_batch: rows });
  });

  it('has as many rows as model.json says', () => {
    const limits = { micro_batch: 7, max_rows: 5, pool: 'gpu' };
    expect(complete({ limits }, graph([tensor('x', 'float32', null)])).limits).toEqual(limits);
  });

  it.each([
    ['the inputs', graph([tensor('x', 'float32', 8, 2)], [tensor('y', 'float32', 8)])],
    ['only the inputs', graph([tensor('x', 'float32', 8, 2), tensor('z', 'bool', 8)])],
  ])('is fixed by %s', (_, fixed) => {
    const limits = { pool: 'default', micro_batch: 8, fixed_batch: 8 };
    for (const stated of [{}, { fixed_batch: 8 }, { micro_batch: 8 }, { fixed_batch: 8, micro_batch: 8 }]) {
      expect(complete({ limits: stated }, fixed).limits).toEqual(limits);
    }
  });
});

describe('a model.json', () => {
  const FOUR = graph([tensor('X', 'float32', null, 4)]);
  const scalar = (name: string) => ({ name, type: 'float' });

  it('says what the values of one tensor are', () => {
    const features = [scalar('a'), { name: 'v', type: 'vector', length: 2 }, { name: 'b', type: 'bool' }];
    expect(complete({ features }, FOUR).inputs).toEqual([
      { name: 'X', type: 'float32', shape: [4], features: ['a', 'v', 'b'] },
    ]);
  });

  it.each<[string, GraphTensor, object[], Dimension[]]>([
    ['an open size', tensor('X', 'float32', null, null), ['a', 'b', 'c'].map(scalar), [3]],
    ['an open size beside others', tensor('X', 'float32', null, 2, null), ['a', 'b'].map(scalar), [2, 1]],
    ['no size', tensor('X', 'float32', null), [scalar('a')], []],
    [
      'open sizes',
      tensor('X', 'float32', null, null, null),
      [{ name: 't', type: 'tensor', shape: [2, 3] }],
      [2, 3],
    ],
    [
      'an image from a flat vector',
      tensor('X', 'float32', null, 1, 2, 2),
      [{ name: 'v', type: 'vector', length: 4 }],
      [1, 2, 2],
    ],
    [
      'open sizes that stay open',
      tensor('X', 'float32', null, null, 3),
      [{ name: 't', type: 'tensor', shape: [null, 3] }],
      [null, 3],
    ],
  ])('fills %s', (_, input, features, shape) => {
    expect(complete({ features }, graph([input])).inputs[0]?.shape).toEqual(shape);
  });

  it('says which features feed which input', () => {
    const inputs = [tensor('numbers', 'float32', null, 2), tensor('city', 'string', null, 1)];
    const features = [{ name: 'town', type: 'string' }, scalar('a'), scalar('b')];
    const file = {
      features,
      inputs: [
        { name: 'city', features: ['town'] },
        { name: 'numbers', type: 'float32', shape: [2], features: ['b', 'a'] },
      ],
    };
    expect(complete(file, graph(inputs)).inputs).toEqual([
      { name: 'numbers', type: 'float32', shape: [2], features: ['b', 'a'] },
      { name: 'city', type: 'string', shape: [1], features: ['town'] },
    ]);
  });

  it('says which outputs there are, in the order that it wants, and how they print', () => {
    const outputs = [
      tensor('p', 'float32', null, 3),
      tensor('label', 'int64', null),
      tensor('loss', 'float32'),
    ];
    const classes = ['a', 'b', 'c'];
    const file = {
      description: 'A model.',
      outputs: [
        { name: 'label', type: 'int64', shape: [], classes, int64: 'string', description: 'The best.' },
        { name: 'p', classes, top_k: 2, decimals: 3, non_finite: 'string' },
      ],
      default_outputs: ['p', 'label'],
    };
    expect(complete(file, graph([tensor('x', 'float32', null)], outputs))).toMatchObject({
      description: 'A model.',
      outputs: [
        { name: 'label', type: 'int64', shape: [], classes, int64: 'string', description: 'The best.' },
        { name: 'p', type: 'float32', shape: [3], classes, top_k: 2, decimals: 3, non_finite: 'string' },
      ],
      primary: 'label',
      default_outputs: ['p', 'label'],
    });
  });

  it('may keep a size of one, or name a size that the graph leaves open', () => {
    const shapeIn = (output: GraphTensor, shape: Dimension[]) =>
      complete({ outputs: [{ name: 'y', shape }] }, graph([tensor('x', 'float32', null)], [output]))
        .outputs[0]?.shape;
    expect(shapeIn(tensor('y', 'float32', null, 1), [1])).toEqual([1]);
    expect(shapeIn(tensor('y', 'float32', null, 1), [])).toEqual([]);
    expect(shapeIn(tensor('y', 'float32', null, null), [5])).toEqual([5]);
  });

  it('says which predictions are kept, for a day unless it says how long; left out, none are', () => {
    expect(complete({ cache: { rows: 5 } }, FOUR).cache).toEqual({ rows: 5, ttl_seconds: 86_400 });
    expect(complete({ cache: { rows: 5, ttl_seconds: 60 } }, FOUR).cache).toEqual({
      rows: 5,
      ttl_seconds: 60,
    });
    expect(complete({}, FOUR)).not.toHaveProperty('cache');
  });

  it('makes what a whole manifest is, whatever it leaves out', () => {
    for (const file of [{}, { features: [scalar('a'), { name: 'v', type: 'vector', length: 3 }] }]) {
      const manifest = complete(file, FOUR);
      expect(Manifest.parse(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest);
    }
  });
});
