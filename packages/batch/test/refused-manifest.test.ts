import type { Dimension, Graph, GraphTensor, GraphValue } from '@millrace/batch/manifest/graph';
import { describe, expect, it } from 'vitest';
import { complete } from './manifest-of.js';

const tensor = (name: string, type: GraphTensor['type'], ...shape: Dimension[]): GraphTensor => ({
  name,
  type,
  shape,
});
const X = tensor('x', 'float32', null);
const Y = tensor('y', 'float32', null);

function refusal(file: object, inputs: GraphValue[], outputs: GraphValue[]): string {
  try {
    complete(file, { inputs, outputs } satisfies Graph);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the manifest was not refused');
}

const scalars = (...names: string[]) => names.map((name) => ({ name, type: 'float' }));

describe('a model.json that does not go with the graph is refused', () => {
  it.each<[string, object, GraphValue[], GraphValue[], string]>([
    [
      'an output that is not there',
      { outputs: [{ name: 'lable' }] },
      [X],
      [tensor('label', 'int64', null)],
      'the graph has no output "lable"; did you mean "label"?',
    ],
    [
      'an input that is not there',
      { inputs: [{ name: 'imput', features: ['x'] }] },
      [tensor('input', 'float32', null)],
      [Y],
      'the graph has no input "imput"; did you mean "input"?',
    ],
    [
      'a primary that is no output',
      { primary: 'Y' },
      [X],
      [Y],
      '"Y" is not one of the outputs; did you mean "y"?',
    ],
    [
      'a primary that is left out',
      { primary: 'score', outputs: [{ name: 'y' }] },
      [X],
      [Y, tensor('score', 'bool', null)],
      '"score" is not one of the outputs',
    ],
    [
      'a default output that is none',
      { default_outputs: ['y', 'score'], primary: 'score' },
      [X],
      [Y, tensor('scores', 'float32', null)],
      '"score" is not one of the outputs; did you mean "scores"?',
    ],
    [
      'a primary that objects inherit',
      { primary: 'constructor' },
      [X],
      [Y],
      '"constructor" is not one of the outputs',
    ],
    [
      'features that are fed by no name',
      { features: scalars('a', 'mask_ids') },
      [tensor('a', 'float32', null), tensor('maskids', 'float32', null)],
      [Y],
      'input "maskids" takes a feature "maskids", which is not among "features"; did you mean "mask_ids"?',
    ],
    [
      'a feature that feeds nothing',
      { features: scalars('a', 'b'), inputs: [{ name: 'X', features: ['a'] }] },
      [tensor('X', 'float32', null, 1)],
      [Y],
      'feature "b" feeds no input of the graph (X)',
    ],
    [
      'features that feed nothing',
      { features: scalars('a', 'b', 'c'), inputs: [{ name: 'X', features: ['a'] }] },
      [tensor('X', 'float32', null, 1)],
      [Y],
      'feature "b" feeds no input of the graph (X); feature "c" feeds no input of the graph (X)',
    ],
    [
      'a feature that feeds twice',
      {
        features: scalars('a'),
        inputs: [
          { name: 'p', features: ['a'] },
          { name: 'q', features: ['a'] },
        ],
      },
      [tensor('p', 'float32', null), tensor('q', 'float32', null)],
      [Y],
      'feature "a" feeds two inputs',
    ],
    [
      'an input of another type',
      { inputs: [{ name: 'x', type: 'float64' }] },
      [X],
      [Y],
      'input "x" is float32 in the graph, float64 in model.json',
    ],
    [
      'an output of another type',
      { outputs: [{ name: 'y', type: 'int64' }] },
      [X],
      [Y],
      'output "y" is float32 in the graph, int64 in model.json',
    ],
    [
      'an input of another shape',
      { inputs: [{ name: 'x', shape: [3] }] },
      [tensor('x', 'float32', null, 4)],
      [Y],
      'input "x" is [?, 4] in the graph, [rows, 3] in model.json; input "x" is [?, 4], the features fill 4 values per row',
    ],
    [
      'an output of another shape',
      { outputs: [{ name: 'y', shape: [3] }] },
      [X],
      [tensor('y', 'float32', null, 4)],
      'output "y" is [?, 4] in the graph, [rows, 3] in model.json',
    ],
    [
      'an output without a shape',
      { outputs: [{ name: 'y', shape: [] }] },
      [X],
      [tensor('y', 'float32', null, 4)],
      'output "y" is [?, 4] in the graph, [rows] in model.json',
    ],
    [
      'too few values',
      { features: scalars('a', 'b', 'c') },
      [tensor('X', 'float32', null, 4)],
      [Y],
      'input "X" is [?, 4], the features fill 3 values per row',
    ],
    [
      'values that do not fill whole lines',
      { features: scalars('a', 'b', 'c') },
      [tensor('X', 'float32', null, null, 2)],
      [Y],
      'input "X" is [?, ?, 2], the features fill 3 values per row',
    ],
    [
      'values for two open sizes',
      { features: scalars('a', 'b') },
      [tensor('X', 'float32', null, null, null)],
      [Y],
      'input "X" is [?, ?, ?], the features fill 2 values per row',
    ],
    [
      'an open tensor of another rank',
      { features: [{ name: 't', type: 'tensor', shape: [null, 3] }] },
      [tensor('X', 'float32', null, null)],
      [Y],
      'input "X" is [?, ?], feature "t" [?, 3] per row',
    ],
    [
      'an open tensor beside others',
      { features: [{ name: 't', type: 'tensor', shape: [null] }, ...scalars('a')] },
      [tensor('X', 'float32', null, null)],
      [Y],
      'input "X": a tensor of any size cannot be packed with other features',
    ],
    [
      'an open size where the graph takes one',
      { features: [{ name: 't', type: 'tensor', shape: [null, 3] }] },
      [tensor('X', 'float32', null, 5, 3)],
      [Y],
      'input "X" is [?, 5, 3], feature "t" [?, 3] per row',
    ],
  ])('%s', (_, file, inputs, outputs, message) => {
    expect(refusal(file, inputs, outputs)).toBe(message);
  });

  const PLAIN = { bool: 'bool', int: 'int32', float: 'float64', string: 'string' } as const;
  it.each<[string, GraphTensor['type']]>([
    ...(['int8', 'uint64', 'bool', 'string'] as const).map((type): [string, GraphTensor['type']] => [
      'float',
      type,
    ]),
    ...(['bool', 'string'] as const).map((type): [string, GraphTensor['type']] => ['int', type]),
    ['bool', 'string'],
    ...(['float16', 'int64', 'bool'] as const).map((type): [string, GraphTensor['type']] => ['string', type]),
  ])('%s is no value for a tensor of %s', (element, type) => {
    const message = `feature "x" is ${element}, input "x" ${type}`;
    const input = tensor('x', type, null);
    expect(refusal({ features: [{ name: 'x', type: element }] }, [input], [Y])).toBe(message);
    const vector = { name: 'x', type: 'vector', length: 2, element };
    expect(refusal({ features: [vector] }, [tensor('x', type, null, 2)], [Y])).toBe(message);
    expect(() =>
      complete(
        { features: [{ name: 'x', type: element }] },
        { inputs: [{ ...input, type: PLAIN[element as 'int'] }], outputs: [Y] },
      ),
    ).not.toThrow();
  });
});

describe('limits that contradict the graph are refused', () => {
  const FIXED = [tensor('x', 'float32', 8)];
  it.each([
    [{ fixed_batch: 4 }, FIXED, 'fixed_batch is 4, but the graph takes 8 rows'],
    [{ fixed_batch: 4 }, [X], 'fixed_batch is 4, but the graph takes any number of rows'],
    [{ micro_batch: 4 }, FIXED, 'micro_batch is 4, but the graph takes just 8 rows at once; leave it out'],
    [
      { fixed_batch: 8, micro_batch: 16 },
      FIXED,
      'micro_batch is 16, but the graph takes just 8 rows at once; leave it out',
    ],
  ])('%j', (limits, inputs, message) => {
    expect(refusal({ limits }, inputs, [Y])).toBe(message);
  });
});
