/** The batch dimension of a graph: the first of every input and output, open, or fixed to one number of rows. */
import type { Dimension, GraphTensor } from './graph.js';
import { type ManifestFile, MICRO_BATCH_MAX } from './manifest.js';

/** The size of the batch dimension where the graph takes just one; undefined where it takes any. */
export function batchOf(
  inputs: readonly GraphTensor[],
  outputs: readonly GraphTensor[],
  problems: string[],
): number | undefined {
  for (const [kind, tensors] of [['input', inputs] as const, ['output', outputs] as const]) {
    for (const { name, shape } of tensors) {
      if (shape.length > 0) continue;
      const remedy =
        kind === 'input'
          ? 'make it a constant of the graph, or give it a first dimension for the rows'
          : 'leave it out of "outputs" in model.json, or export one value per row';
      problems.push(`${kind} "${name}" is a single value without a batch dimension; ${remedy}`);
    }
  }
  if (problems.length > 0) return undefined;
  const sizes = new Set(inputs.map(({ shape }) => shape[0] as Dimension));
  if (sizes.size > 1) {
    const dimensions = inputs.map(
      ({ name, shape }) => `"${name}" [${shape.map((each) => each ?? '?').join(', ')}]`,
    );
    problems.push(
      `the inputs do not share a batch dimension: ${dimensions.join(', ')}; export all of them with a dynamic first dimension`,
    );
    return undefined;
  }
  const [size = null] = sizes;
  for (const { name, shape } of outputs) {
    const first = shape[0] as Dimension;
    if (first === null || first === size) continue;
    problems.push(
      size === null
        ? `output "${name}" has a first dimension of ${first} however many rows go in; leave it out of "outputs" in model.json, or export one value per row`
        : `the inputs have a first dimension of ${size} and output "${name}" one of ${first}: there is no batch dimension; export the model with a dynamic first dimension`,
    );
  }
  return size ?? undefined;
}

export function fixedBatchProblems(file: ManifestFile, fixedBatch: number | undefined): string[] {
  const { fixed_batch: stated, micro_batch: micro } = file.limits ?? {};
  if (stated !== undefined && stated !== fixedBatch) {
    return [`fixed_batch is ${stated}, but the graph takes ${fixedBatch ?? 'any number of'} rows`];
  }
  if (fixedBatch !== undefined && fixedBatch > MICRO_BATCH_MAX) {
    return [`the graph takes just ${fixedBatch} rows at once, more than ${MICRO_BATCH_MAX}`];
  }
  if (fixedBatch !== undefined && micro !== undefined && micro !== fixedBatch) {
    return [`micro_batch is ${micro}, but the graph takes just ${fixedBatch} rows at once; leave it out`];
  }
  return [];
}
