import { expect, it } from 'vitest';
import { onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { useServing } from './serving.js';

const serving = useServing();

const SIZE = 1_500;
const MODEL_BYTES = SIZE * SIZE * 4;
const RELOADS = 50;
/** By then everything that is kept has been kept once. */
const SETTLED = 10;

/** A model of 9 MB that is another one for every number. */
function heavy(number: number): Uint8Array {
  const weights = new Float32Array(SIZE * SIZE).fill(number);
  return onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['n', SIZE] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n', SIZE] }],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', type: 'float32', dims: [SIZE, SIZE], data: new Uint8Array(weights.buffer) }],
  });
}

it(`memory does not grow over ${RELOADS} reloads`, async () => {
  serving.write('heavy/1/model.onnx', heavy(0));
  await serving.open();
  let settled = 0;
  let highest = 0;
  for (let number = 1; number <= RELOADS; number++) {
    serving.write('heavy/1/model.onnx', heavy(number));
    await serving.refresh();
    const memory = process.memoryUsage().rss;
    if (number <= SETTLED) settled = Math.max(settled, memory);
    else highest = Math.max(highest, memory);
  }
  expect(serving.refused()).toEqual([]);
  const { predictions } = await serving.predict('heavy@1', [new Array(SIZE).fill(1)]);
  expect(predictions).toEqual([new Array(SIZE).fill(SIZE * RELOADS)]);
  // What 40 reloads would add if nothing were given back, halved.
  expect(highest - settled).toBeLessThan(((RELOADS - SETTLED) * MODEL_BYTES) / 2);
}, 120_000);
