import type { Dimension, Graph, GraphTensor, GraphValue } from '@millrace/batch/manifest/graph';
import { describe, expect, it } from 'vitest';
import { complete } from './manifest-of.js';

const tensor = (name: string, type: GraphTensor['type'], ...shape: Dimension[]): GraphTensor => ({
  name,
  type,
  shape,
});
const sequence = (name: string): GraphValue => ({
  name,
  type: undefined,
  what: 'a sequence or a map, not a tensor',
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

describe('a graph is refused', () => {
  it.each<[string, GraphValue[], GraphValue[], string]>([
    ['without an input', [], [Y], 'the graph has no input that rows could go into'],
    ['without an output', [X], [], 'the graph has no output'],
    [
      'with a sequence for an input',
      [sequence('s'), X],
      [Y],
      'input "s" is a sequence or a map, not a tensor',
    ],
    [
      'with an input of an element type of its own',
      [{ name: 'c', type: undefined, what: 'a tensor of complex64' }],
      [Y],
      'input "c" is a tensor of complex64',
    ],
    [
      'with a sequence for one of its outputs',
      [X],
      [Y, sequence('p'), tensor('z', 'bool', null)],
      'output "p" is a sequence or a map, not a tensor; export it as a tensor (scikit-learn: options zipmap=False), or list only "y", "z" under "outputs" in model.json',
    ],
    [
      'with a sequence for its output',
      [X],
      [sequence('p')],
      'output "p" is a sequence or a map, not a tensor; export it as a tensor (scikit-learn: options zipmap=False)',
    ],
    [
      'with an input that is a single value',
      [X, tensor('training', 'bool')],
      [Y],
      'input "training" is a single value without a batch dimension; make it a constant of the graph, or give it a first dimension for the rows',
    ],
    [
      'with an output that is a single value',
      [X],
      [Y, tensor('loss', 'float32')],
      'output "loss" is a single value without a batch dimension; leave it out of "outputs" in model.json, or export one value per row',
    ],
    [
      'with inputs that differ in their batch dimension',
      [tensor('a', 'float32', null, 3), tensor('b', 'float32', 1, null), tensor('c', 'int64', 2)],
      [Y],
      'the inputs do not share a batch dimension: "a" [?, 3], "b" [1, ?], "c" [2]; export all of them with a dynamic first dimension',
    ],
    [
      'with an output of one size',
      [X],
      [Y, tensor('weights', 'float32', 4, 4)],
      'output "weights" has a first dimension of 4 however many rows go in; leave it out of "outputs" in model.json, or export one value per row',
    ],
    [
      'without a batch dimension',
      [tensor('x', 'float32', 28, 28)],
      [tensor('y', 'float32', 10)],
      'the inputs have a first dimension of 28 and output "y" one of 10: there is no batch dimension; export the model with a dynamic first dimension',
    ],
    [
      'with a batch too large',
      [tensor('x', 'float32', 65_537)],
      [tensor('y', 'float32', 65_537)],
      'the graph takes just 65537 rows at once, more than 65536',
    ],
    [
      'for every reason at once',
      [tensor('x', 'float32'), tensor('z', 'bool')],
      [tensor('y', 'float32')],
      [
        'input "x" is a single value without a batch dimension; make it a constant of the graph, or give it a first dimension for the rows',
        'input "z" is a single value without a batch dimension; make it a constant of the graph, or give it a first dimension for the rows',
        'output "y" is a single value without a batch dimension; leave it out of "outputs" in model.json, or export one value per row',
      ].join('; '),
    ],
  ])('%s', (_, inputs, outputs, message) => {
    expect(refusal({}, inputs, outputs)).toBe(message);
  });

  it('unless the outputs at fault are left out', () => {
    const outputs = [Y, sequence('p'), tensor('loss', 'float32'), tensor('weights', 'float32', 4, 4)];
    const manifest = complete({ outputs: [{ name: 'y' }] }, { inputs: [X], outputs });
    expect(manifest.outputs).toEqual([{ name: 'y', type: 'float32', shape: [] }]);
    expect(refusal({ outputs: [{ name: 'p' }] }, [X], outputs)).toBe(
      'output "p" is a sequence or a map, not a tensor',
    );
  });
});
