import { completeManifest } from '@millrace/batch/manifest/complete';
import type { Graph } from '@millrace/batch/manifest/graph';
import { ManifestFile } from '@millrace/batch/manifest/manifest';
import { problemsOf } from '@millrace/batch/manifest/strict';
import { expect, it } from 'vitest';

const GRAPH: Graph = {
  inputs: [{ name: 'image', type: 'float32', shape: [null, 3, 4, 4] }],
  outputs: [
    { name: 'label', type: 'int64', shape: [null] },
    { name: 'scores', type: 'float32', shape: [null, 2] },
  ],
};
const BYTES: Graph = { ...GRAPH, inputs: [{ name: 'x', type: 'uint8', shape: [null] }] };
const IMAGE = { name: 'image', type: 'tensor', shape: [3, 4, 4] };

/** What is said against a model.json; empty when it is taken. */
function said(file: Record<string, unknown>, graph = GRAPH): string {
  const { data, error } = ManifestFile.safeParse(file);
  if (error !== undefined) return problemsOf(error);
  try {
    completeManifest(data, graph);
    return '';
  } catch (problem) {
    return (problem as Error).message;
  }
}

it.each<[string, Record<string, unknown>, string, Graph?]>([
  [
    'an image whose channels come last, for a graph in which they come first',
    { features: [{ ...IMAGE, shape: [4, 4, 3] }] },
    'input "image" is [?, 3, 4, 4], feature "image" [4, 4, 3] per row: give it the shape of the graph',
  ],
  [
    'bounds between two whole numbers',
    { features: [{ name: 'x', type: 'int', min: 0.2, max: 0.8 }] },
    'x: no value that the tensor holds is within its bounds',
    BYTES,
  ],
  [
    'bounds beyond what the tensor holds',
    { features: [{ name: 'x', type: 'int', min: 300 }] },
    'x: no value that the tensor holds is within its bounds',
    BYTES,
  ],
  [
    'bounds of strings',
    { features: [{ name: 'v', type: 'vector', length: 2, element: 'string', min: 0 }] },
    'features[0]: min and max are for numbers, its values are string',
  ],
  [
    'two classes of one name',
    { outputs: [{ name: 'scores', classes: ['cat', 'cat'] }] },
    'output "scores": two classes are named "cat"',
  ],
  [
    'decimals of a whole number',
    { outputs: [{ name: 'label', decimals: 2 }] },
    'output "label" is int64: decimals is for floats',
  ],
  [
    'non-finite whole numbers',
    { outputs: [{ name: 'label', non_finite: 'string' }] },
    'output "label" is int64: non_finite is for floats',
  ],
  [
    'int64 for floats',
    { outputs: [{ name: 'scores', int64: 'string' }] },
    'output "scores" is float32: int64 is for 64-bit integers',
  ],
])('%s are refused', (_, file, problem, graph) => {
  expect(said(file, graph)).toBe(problem);
});

it.each<[string, Record<string, unknown>, Graph?]>([
  ['an image of the shape of the graph', { features: [IMAGE] }],
  ['the values of an image as one vector', { features: [{ name: 'image', type: 'vector', length: 48 }] }],
  ['dimensions of one that the graph does not have', { features: [{ ...IMAGE, shape: [3, 4, 1, 4] }] }],
  ['bounds around one whole number', { features: [{ name: 'x', type: 'int', min: 0.2, max: 1.8 }] }, BYTES],
])('%s is taken', (_, file, graph) => {
  expect(said(file, graph)).toBe('');
});
