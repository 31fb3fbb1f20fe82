/**
 * A perceptron of two hidden layers, some 2.6 million multiplications per row. All inputs and weights are small whole
 * numbers, and every sum is one below 2^24: exact in float32 in whatever order it is added up, so that the answers of
 * different micro-batches can be compared exactly.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mulberry32 } from '../../../test/fixtures/mulberry32.js';
import { type OnnxTensor, onnxModel } from '../../../test/fixtures/onnx-graph.js';
import type { Workload } from './workload.js';

const LAYERS = [8, 1_280, 2_048, 4] as const;
const VALUE_MAX = 3;
const EXACT_BELOW = 2 ** 24;
const SEED = 11;

/** @param directory where its version folder is made */
export function perceptronWorkload(rows: number, directory: string): Workload {
  const folder = join(directory, 'perceptron');
  const names = Array.from({ length: LAYERS[0] }, (_, at) => `x${at}`);
  const next = mulberry32(SEED);
  const layers = LAYERS.slice(1).map((outputs, at) => randomWeights(LAYERS[at] as number, outputs, next));
  assertExact(layers);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.onnx'), perceptronModel(layers));
  writeFileSync(
    join(folder, 'model.json'),
    JSON.stringify({
      features: names.map((name) => ({ name, type: 'float', min: 0, max: VALUE_MAX })),
    }),
  );
  const values = Float64Array.from({ length: rows * names.length }, () =>
    Math.floor(next() * (VALUE_MAX + 1)),
  );
  return {
    model: 'perceptron',
    folder,
    features: names.map((name) => ({ name, kind: 'number', min: 0, max: VALUE_MAX })),
    classes: Array.from({ length: LAYERS[3] }, (_, label) => label),
    rows: { kind: 'numbers', names, values },
  };
}

/** Of a layer: those of one output, of all inputs. */
type Weights = Int8Array[];

/** −1, 0 and 1, each as often as another, and as many −1 as 1 for every output, so that none of them is ahead of the others. */
function randomWeights(inputs: number, outputs: number, next: () => number): Weights {
  return Array.from({ length: outputs }, () => {
    const weights = Int8Array.from({ length: inputs }, (_, at) =>
      at < 3 * Math.floor(inputs / 3) ? (at % 3) - 1 : 0,
    );
    for (let at = inputs - 1; at > 0; at--) {
      const other = Math.floor(next() * (at + 1));
      [weights[at], weights[other]] = [weights[other] as number, weights[at] as number];
    }
    return weights;
  });
}

/** @throws Error when a sum may come to more than float32 holds exactly */
function assertExact(layers: readonly Weights[]): void {
  let largest = VALUE_MAX;
  for (const layer of layers) {
    largest *= Math.max(...layer.map((weights) => weights.filter((weight) => weight > 0).length));
  }
  if (largest >= EXACT_BELOW) throw new Error(`a sum of the perceptron may come to ${largest}`);
}

function perceptronModel(layers: readonly Weights[]): Uint8Array {
  const last = layers.length - 1;
  return onnxModel({
    inputs: [{ name: 'features', type: 'float32', shape: ['rows', LAYERS[0]] }],
    outputs: [{ name: 'label', type: 'int64', shape: ['rows'] }],
    nodes: [
      ...layers.flatMap((_, at) => [
        {
          op: 'MatMul',
          inputs: [at === 0 ? 'features' : `active${at - 1}`, `weights${at}`],
          outputs: [`sum${at}`],
        },
        ...(at === last ? [] : [{ op: 'Relu', inputs: [`sum${at}`], outputs: [`active${at}`] }]),
      ]),
      { op: 'ArgMax', inputs: [`sum${last}`], outputs: ['label'], attributes: { axis: 1, keepdims: 0 } },
    ],
    initializers: layers.map((layer, at) => weightTensor(`weights${at}`, layer)),
  });
}

function weightTensor(name: string, layer: Weights): OnnxTensor {
  const inputs = layer[0]?.length ?? 0;
  const data = new Float32Array(inputs * layer.length);
  layer.forEach((weights, output) => {
    weights.forEach((weight, input) => {
      data[input * layer.length + output] = weight;
    });
  });
  return { name, type: 'float32', dims: [inputs, layer.length], data: new Uint8Array(data.buffer) };
}
