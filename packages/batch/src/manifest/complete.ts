/** Completes what model.json leaves out with what the graph says by itself, and refuses what cannot be served. */
import { didYouMean } from '../did-you-mean.js';
import { RowReader } from '../rows/row-reader.js';
import { batchOf, fixedBatchProblems } from './batch-dimension.js';
import { ELEMENT_TYPES, type ElementType } from './element-types.js';
import { type Feature, shapeOf, sizeOf } from './feature.js';
import { type Dimension, type Graph, type GraphTensor, type GraphValue, isTensor } from './graph.js';
import { type Input, Manifest, type ManifestFile, type Output } from './manifest.js';
import { problemsOf } from './strict.js';

/** The most rows of a micro-batch of a small model; a wide one takes as many as make up `MICRO_BATCH_VALUES`. */
const MICRO_BATCH_ROWS = 4096;
const MICRO_BATCH_VALUES = 1_048_576;

/**
 * @param file model.json; empty for a bare graph, whose manifest comes from the graph alone
 * @throws Error with every problem, each with its remedy
 */
export function completeManifest(file: ManifestFile, graph: Graph): Manifest {
  const problems: string[] = [];
  const inputs = takeTensors(graph.inputs, 'input', problems);
  const outputs = takeOutputs(file, graph, problems);
  if (graph.inputs.length === 0) problems.push('the graph has no input that rows could go into');
  if (graph.outputs.length === 0) problems.push('the graph has no output');
  refuse(problems);

  const fixedBatch = batchOf(inputs, outputs, problems);
  const features = file.features ?? inputs.map(featureOf);
  const manifest: Manifest = {
    features,
    inputs: completeInputs(file, inputs, features, problems),
    outputs: outputs.map((each) => completeOutput(file, each, problems)),
    primary: file.primary ?? (outputs[0] as GraphTensor).name,
    limits: { pool: 'default', ...file.limits, micro_batch: file.limits?.micro_batch ?? 1 },
  };
  if (file.description !== undefined) manifest.description = file.description;
  if (file.default_outputs !== undefined) manifest.default_outputs = file.default_outputs;
  if (file.cache !== undefined) manifest.cache = file.cache;
  problems.push(...outputNameProblems(manifest), ...fixedBatchProblems(file, fixedBatch));
  refuse(problems);

  if (fixedBatch !== undefined)
    Object.assign(manifest.limits, { micro_batch: fixedBatch, fixed_batch: fixedBatch });
  else if (file.limits?.micro_batch === undefined) manifest.limits.micro_batch = microBatchOf(manifest);
  const checked = Manifest.safeParse(manifest);
  if (!checked.success) throw new Error(problemsOf(checked.error));
  refuse(new RowReader(checked.data).ruleProblems());
  return checked.data;
}

/** Values that go into and come out of the model for one row; an open dimension counts as 64. */
export function valuesPerRow({ inputs, outputs }: Pick<Manifest, 'inputs' | 'outputs'>): number {
  const sizes = [...inputs, ...outputs].map(({ shape }) =>
    shape.reduce<number>((size, each) => size * (each ?? 64), 1),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function microBatchOf(manifest: Manifest): number {
  return Math.max(1, Math.min(MICRO_BATCH_ROWS, Math.floor(MICRO_BATCH_VALUES / valuesPerRow(manifest))));
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '));
}

function takeTensors(values: readonly GraphValue[], kind: string, problems: string[]): GraphTensor[] {
  const tensors = values.filter(isTensor);
  for (const value of values) if (!isTensor(value)) problems.push(`${kind} "${value.name}" is ${value.what}`);
  return tensors;
}

/** Those of model.json, or all of them. */
function takeOutputs(file: ManifestFile, graph: Graph, problems: string[]): GraphTensor[] {
  const names = graph.outputs.map((each) => each.name);
  if (file.outputs === undefined) {
    const others = graph.outputs.filter((each) => !isTensor(each));
    const tensors = takeTensors(graph.outputs, 'output', problems);
    if (others.length > 0) {
      problems.push(
        tensors.length > 0
          ? `export it as a tensor (scikit-learn: options zipmap=False), or list only ${tensors.map((each) => `"${each.name}"`).join(', ')} under "outputs" in model.json`
          : 'export it as a tensor (scikit-learn: options zipmap=False)',
      );
    }
    return tensors;
  }
  const found: GraphValue[] = [];
  for (const { name } of file.outputs) {
    const output = graph.outputs.find((each) => each.name === name);
    if (output === undefined) problems.push(`the graph has no output "${name}"${didYouMean(name, names)}`);
    else found.push(output);
  }
  return takeTensors(found, 'output', problems);
}

function outputNameProblems({ outputs, primary, default_outputs: shown = [] }: Manifest): string[] {
  const names = outputs.map((each) => each.name);
  return [...new Set([primary, ...shown])]
    .filter((name) => !names.includes(name))
    .map((name) => `"${name}" is not one of the outputs${didYouMean(name, names)}`);
}

/** A feature for a tensor that nothing else is known of. */
function featureOf({ name, type, shape }: GraphTensor): Feature {
  const inner = perRow(shape);
  const { kind } = ELEMENT_TYPES[type];
  const element = kind === 'bigint' ? 'int' : kind;
  if (inner.length === 0) return { name, type: element };
  const [length] = inner;
  if (inner.length === 1 && typeof length === 'number') return { name, type: 'vector', length, element };
  return { name, type: 'tensor', shape: [...inner], element };
}

/** The shape of one row: `[rows, 1]` holds one value per row as `[rows]` does. */
function perRow(shape: readonly Dimension[]): readonly Dimension[] {
  const inner = shape.slice(1);
  return inner.length === 1 && inner[0] === 1 ? [] : inner;
}

function completeInputs(
  file: ManifestFile,
  tensors: readonly GraphTensor[],
  features: readonly Feature[],
  problems: string[],
): Input[] {
  const stated = file.inputs ?? [];
  const names = tensors.map((each) => each.name);
  for (const { name } of stated) {
    if (!names.includes(name)) problems.push(`the graph has no input "${name}"${didYouMean(name, names)}`);
  }
  const byName = new Map(features.map((feature) => [feature.name, feature]));
  const used = new Set<string>();
  const inputs = tensors.map((tensor): Input => {
    const entry = stated.find((each) => each.name === tensor.name);
    const isOnly = tensors.length === 1;
    const packed = entry?.features ?? (isOnly ? features.map((each) => each.name) : [tensor.name]);
    const found = packed.flatMap((name) => {
      const feature = byName.get(name);
      if (feature === undefined) {
        const hint = didYouMean(name, byName.keys());
        problems.push(
          `input "${tensor.name}" takes a feature "${name}", which is not among "features"${hint}`,
        );
        return [];
      }
      if (used.has(name)) problems.push(`feature "${name}" feeds two inputs`);
      used.add(name);
      return [feature];
    });
    checkType('input', tensor, entry?.type, problems);
    for (const feature of found) problems.push(...typeProblems(feature, tensor));
    const shape = found.length < packed.length ? [] : packedShape(tensor, entry?.shape, found, problems);
    return { name: tensor.name, type: tensor.type, shape, features: packed };
  });
  // A feature that another problem has kept from its input would only be named twice.
  const isClean = problems.length === 0;
  for (const { name } of features) {
    if (isClean && !used.has(name))
      problems.push(`feature "${name}" feeds no input of the graph (${names.join(', ')})`);
  }
  return inputs;
}

/** The shape of one row of an input, with the sizes that the graph leaves open taken from the features. */
function packedShape(
  tensor: GraphTensor,
  stated: readonly Dimension[] | undefined,
  features: readonly Feature[],
  problems: string[],
): Dimension[] {
  const inner = stated ?? tensor.shape.slice(1);
  if (stated !== undefined && !isCompatible(stated, tensor.shape.slice(1))) {
    problems.push(
      `input "${tensor.name}" is [${text(tensor.shape)}] in the graph, [${text(['rows', ...stated])}] in model.json`,
    );
  }
  const sizes = features.map((feature) => sizeOf(shapeOf(feature)));
  if (sizes.includes(undefined)) {
    const [only] = features;
    const shape = only === undefined ? [] : shapeOf(only);
    if (features.length > 1)
      problems.push(`input "${tensor.name}": a tensor of any size cannot be packed with other features`);
    // An open size stands for any, which a graph that takes just one would refuse row by row.
    else if (!isCompatible(shape, inner) || shape.some((size, at) => size === null && inner[at] !== null))
      problems.push(
        `input "${tensor.name}" is [${text(tensor.shape)}], feature "${only?.name}" [${text(shape)}] per row`,
      );
    return [...shape];
  }
  const size = sizes.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  const open = inner.filter((each) => each === null).length;
  const known = inner.reduce<number>((product, each) => product * (each ?? 1), 1);
  const nested = features.find((feature) => isTransposed(shapeOf(feature), inner));
  if (nested !== undefined) {
    problems.push(
      `input "${tensor.name}" is [${text(tensor.shape)}], feature "${nested.name}" [${text(shapeOf(nested))}] per row: give it the shape of the graph`,
    );
  }
  // What the graph leaves open is what the features fill.
  const solved = open === 1 && size % known === 0 ? inner.map((each) => each ?? size / known) : [...inner];
  const only = features.length === 1 ? features[0] : undefined;
  const shape =
    open > 1 && only !== undefined && isCompatible(shapeOf(only), inner) ? [...shapeOf(only)] : solved;
  if (sizeOf(shape) !== size) {
    problems.push(
      `input "${tensor.name}" is [${text(tensor.shape)}], the features fill ${size} values per row`,
    );
  }
  return shape;
}

function completeOutput(file: ManifestFile, tensor: GraphTensor, problems: string[]): Output {
  const { type, shape, ...entry } = file.outputs?.find((each) => each.name === tensor.name) ?? {
    name: tensor.name,
  };
  checkType('output', tensor, type, problems);
  const inner = perRow(tensor.shape);
  if (shape !== undefined && !isCompatible(shape, inner) && !isCompatible(shape, tensor.shape.slice(1))) {
    problems.push(
      `output "${tensor.name}" is [${text(tensor.shape)}] in the graph, [${text(['rows', ...shape])}] in model.json`,
    );
  }
  const output: Output = { ...entry, type: tensor.type, shape: [...(shape ?? inner)] };
  problems.push(...printingProblems(output));
  return output;
}

function printingProblems(output: Output): string[] {
  const { name, type, shape, classes, top_k: topK } = output;
  const { kind } = ELEMENT_TYPES[type];
  const [length, ...deeper] = shape;
  const isVector = length !== undefined && deeper.length === 0 && kind !== 'string' && kind !== 'bool';
  const isWhole = shape.length === 0 && (kind === 'int' || kind === 'bigint');
  const problems: string[] = [];
  if (classes !== undefined && !isVector && !isWhole) {
    problems.push(
      `output "${name}": classes name a whole number or the places of a vector, which this is not`,
    );
  }
  if (classes !== undefined && isVector && length !== null && length !== classes.length) {
    problems.push(`output "${name}" has ${length} values per row and ${classes.length} classes`);
  }
  const duplicate = classes?.find((each, at) => classes.indexOf(each) !== at);
  if (duplicate !== undefined) problems.push(`output "${name}": two classes are named "${duplicate}"`);
  for (const [key, wanted] of Object.entries(PRINTED_KINDS)) {
    if (output[key as keyof typeof PRINTED_KINDS] !== undefined && kind !== wanted) {
      problems.push(
        `output "${name}" is ${type}: ${key} is for ${wanted === 'float' ? 'floats' : '64-bit integers'}`,
      );
    }
  }
  if (topK !== undefined && !isVector) problems.push(`output "${name}": top_k is for a vector of numbers`);
  return problems;
}

/** What the keys that say how a value is printed are for. */
const PRINTED_KINDS = { decimals: 'float', non_finite: 'float', int64: 'bigint' } as const;

function checkType(
  kind: string,
  tensor: GraphTensor,
  stated: ElementType | undefined,
  problems: string[],
): void {
  if (stated !== undefined && stated !== tensor.type) {
    problems.push(`${kind} "${tensor.name}" is ${tensor.type} in the graph, ${stated} in model.json`);
  }
}

/** Which features an element type can hold. */
function typeProblems(feature: Feature, { name, type }: GraphTensor): string[] {
  const { kind } = ELEMENT_TYPES[type];
  const element = 'element' in feature ? feature.element : feature.type;
  const isHeld: Record<typeof element, boolean> = {
    float: kind === 'float',
    int: kind === 'float' || kind === 'int' || kind === 'bigint',
    bool: kind !== 'string',
    string: kind === 'string',
    category:
      kind !== 'bool' &&
      !(kind === 'string' && feature.type === 'category' && typeof feature.values[0] === 'number'),
  };
  if (!isHeld[element]) return [`feature "${feature.name}" is ${element}, input "${name}" ${type}`];
  if (feature.type !== 'category') return [];
  const fed = feature.values.map((value, place) => (typeof value === 'number' ? value : place));
  const unheld = fed.find((number) => !holds(type, number));
  return unheld === undefined
    ? []
    : [`feature "${feature.name}": input "${name}" is ${type}, which cannot hold ${unheld}`];
}

/** Whether a number can be written to a tensor; to one of strings none is. */
function holds(type: ElementType, number: number): boolean {
  const held = ELEMENT_TYPES[type];
  switch (held.kind) {
    case 'float':
      return Math.abs(number) <= held.max;
    case 'int':
      return Number.isInteger(number) && number >= held.min && number <= held.max;
    case 'bigint':
      return Number.isSafeInteger(number) && number >= held.min;
    default:
      return true;
  }
}

/** As many values in another order of dimensions: an image by rows and channels is not one by channels and rows. */
function isTransposed(shape: readonly Dimension[], other: readonly Dimension[]): boolean {
  const [long, alsoLong] = [shape, other].map((each) => each.filter((size) => size !== 1)) as [
    Dimension[],
    Dimension[],
  ];
  return long.length > 1 && alsoLong.length > 1 && !isCompatible(long, alsoLong);
}

function isCompatible(shape: readonly Dimension[], other: readonly Dimension[]): boolean {
  return (
    shape.length === other.length &&
    shape.every((size, at) => size === null || other[at] === null || size === other[at])
  );
}

function text(shape: readonly (Dimension | 'rows')[]): string {
  return shape.map((each) => each ?? '?').join(', ');
}
