import { ELEMENT_TYPE_NAMES, type ElementType } from '@millrace/batch/manifest/element-types';
import { float16Bits, float16Value } from '@millrace/batch/manifest/float16';
import fc from 'fast-check';
import { complete, type FeatureFile } from './manifest-of.js';
import type { Value } from './row-values.js';

/** A value as it is sent, as JSON text, and what the tensor is to hold for it. */
export interface Sent {
  text: string;
  held: Value[];
  /** Of a tensor whose sizes are open. */
  shape?: number[];
}
interface AnyFeature {
  /** Without its name. */
  file: Omit<FeatureFile, 'name'>;
  value: fc.Arbitrary<Sent>;
  isOpen?: true;
}
type Single = 'float' | 'int' | 'bool' | 'string';

/** The whole numbers that each type holds exactly. */
const WHOLE: Partial<Record<ElementType, [bigint, bigint]>> = {
  float32: [-(2n ** 24n), 2n ** 24n],
  float64: [1n - 2n ** 53n, 2n ** 53n - 1n],
  float16: [-2048n, 2048n],
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32_768n, 32_767n],
  uint16: [0n, 65_535n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};
const isBig = (type: ElementType) => type === 'int64' || type === 'uint64';
const asHeld = (type: ElementType, value: number): Value => (isBig(type) ? BigInt(value) : value);
const sent = (value: unknown, held: Value): Sent => ({ text: JSON.stringify(value), held: [held] });

function anyFloat(type: ElementType): fc.Arbitrary<Sent> {
  const finite = { noNaN: true, noDefaultInfinity: true };
  if (type === 'float32') return fc.float(finite).map((value) => sent(value, Math.fround(value) + 0));
  if (type === 'float64') return fc.double(finite).map((value) => sent(value, value + 0));
  const half = fc.double({ ...finite, min: -65_504, max: 65_504 });
  return half.map((value) => sent(value, float16Value(float16Bits(value + 0))));
}

function anyWhole(type: ElementType): fc.Arbitrary<Sent> {
  const [min, max] = WHOLE[type] as [bigint, bigint];
  return fc.bigInt({ min, max }).map((value) => {
    const number = Number(value);
    return isBig(type)
      ? sent(Number.isSafeInteger(number) ? number : String(value), value)
      : sent(number, number);
  });
}

const anyText = fc
  .oneof(fc.string({ maxLength: 6 }), fc.string({ unit: 'grapheme', maxLength: 6 }))
  .filter((text) => !text.includes('\0'));

function anySingle(type: ElementType, element: Single): fc.Arbitrary<Sent> {
  switch (element) {
    case 'float':
      return anyFloat(type);
    case 'int':
      return anyWhole(type);
    case 'bool':
      return fc.boolean().map((value) => sent(value, asHeld(type, value ? 1 : 0)));
    case 'string':
      return anyText.map((value) => sent(value, value));
  }
}

function elementsOf(type: ElementType): Single[] {
  if (type === 'string') return ['string'];
  if (type === 'bool') return ['bool'];
  return type.startsWith('float') ? ['float', 'int', 'bool'] : ['int', 'bool'];
}

/** Rows of values in brackets, to the depth of the shape. */
function nested(parts: readonly Sent[], shape: readonly number[]): Sent {
  const [size, ...inner] = shape;
  if (size === undefined) return parts[0] as Sent;
  const step = parts.length / size;
  const rows = Array.from({ length: size }, (_, at) =>
    nested(parts.slice(at * step, (at + 1) * step), inner),
  );
  return { text: `[${rows.map(({ text }) => text).join(',')}]`, held: rows.flatMap(({ held }) => held) };
}

function anyNested(type: ElementType, element: Single, shape: readonly number[]): fc.Arbitrary<Sent> {
  const size = shape.reduce((product, each) => product * each, 1);
  return fc
    .array(anySingle(type, element), { minLength: size, maxLength: size })
    .map((parts) => ({ ...nested(parts, shape), shape: [...shape] }));
}

function categories(type: ElementType): AnyFeature[] {
  if (type === 'bool') return [];
  const words = ['red', 'green', '', '"a,b"'];
  const word = fc
    .nat(3)
    .map((at) => sent(words[at], type === 'string' ? (words[at] as string) : asHeld(type, at)));
  const feature = (values: unknown[], value: fc.Arbitrary<Sent>) => ({
    file: { type: 'category', values },
    value,
  });
  const numbers = fc.constantFrom(5, 0, 100).map((number) => sent(number, asHeld(type, number)));
  return [
    feature(words, word),
    ...(type === 'string' ? [] : [feature([5, 0, 100], numbers)]),
  ] as AnyFeature[];
}

/** A feature whose size is known, so that others may stand beside it in a tensor. */
function anyPacked(type: ElementType): fc.Arbitrary<AnyFeature> {
  const nests = fc
    .record({
      element: fc.constantFrom(...elementsOf(type)),
      shape: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    })
    .map(({ element, shape }): AnyFeature => {
      const size =
        shape.length === 1
          ? { type: 'vector' as const, length: shape[0] }
          : { type: 'tensor' as const, shape };
      return { file: { ...size, element }, value: anyNested(type, element, shape) };
    });
  const singles = elementsOf(type).map((element) => ({
    file: { type: element },
    value: anySingle(type, element),
  }));
  return fc.oneof(fc.constantFrom<AnyFeature[]>(...[...singles, ...categories(type)]), nests);
}

/** A tensor of which some sizes are open. */
function anyOpen(type: ElementType): fc.Arbitrary<AnyFeature> {
  const dimension = fc.option(fc.integer({ min: 1, max: 3 }), { nil: null });
  return fc
    .record({
      element: fc.constantFrom(...elementsOf(type)),
      shape: fc.array(dimension, { minLength: 1, maxLength: 3 }).filter((shape) => shape.includes(null)),
    })
    .map(({ element, shape }) => ({
      file: { type: 'tensor', shape, element },
      value: fc
        .tuple(...shape.map((size) => (size === null ? fc.integer({ min: 1, max: 4 }) : fc.constant(size))))
        .chain((sizes) => anyNested(type, element, sizes)),
      isOpen: true,
    }));
}

/** Names that are awkward in objects, in headers and in messages. */
const NAMES = [
  'a',
  'b',
  '__proto__',
  'constructor',
  'toString',
  'id',
  'x,"y"',
  'v.0',
  'é 😀',
  '0',
  'length',
  'null',
];

const anyInput = fc
  .constantFrom(...ELEMENT_TYPE_NAMES)
  .chain((type) =>
    fc
      .oneof(
        { weight: 3, arbitrary: fc.array(anyPacked(type), { minLength: 1, maxLength: 4 }) },
        { weight: 1, arbitrary: anyOpen(type).map((feature) => [feature]) },
      )
      .map((features) => ({ type, features })),
  );

const anyModel = fc
  .record({
    inputs: fc.array(anyInput, { minLength: 1, maxLength: 3 }),
    names: fc.shuffledSubarray(NAMES, { minLength: NAMES.length }),
  })
  .map(({ inputs, names }) => {
    let next = 0;
    return inputs.map((input, at) => ({
      ...input,
      name: `input${at}`,
      features: input.features.map((feature) => ({ ...feature, name: names[next++] as string })),
    }));
  });
export type Model = typeof anyModel extends fc.Arbitrary<infer T> ? T : never;

/** The manifest of such a model, whose graph leaves every size open. */
export function manifestOfModel(model: Model) {
  const features = model.flatMap((input) => input.features.map(({ name, file }) => ({ name, ...file })));
  const inputs = model.map(({ name, features: own }) => ({ name, features: own.map((each) => each.name) }));
  return complete(
    // The order of the features is not that of the inputs.
    { features: features.reverse(), inputs },
    {
      inputs: model.map(({ name, type, features: [first] }) => ({
        name,
        type,
        shape: [null, ...(first?.isOpen ? (first.file.shape as number[]).map(() => null) : [null])],
      })),
      outputs: [{ name: 'y', type: 'float32', shape: [null] }],
    },
  );
}

/** A model, and rows of it. */
export const anyCase = anyModel.chain((model) => {
  const features = model.flatMap((input) => input.features);
  const row = fc.record({
    form: fc.constantFrom('object', 'array'),
    values: fc.tuple(...features.map((feature) => feature.value)),
  });
  return fc.record({ model: fc.constant(model), rows: fc.array(row, { minLength: 1, maxLength: 5 }) });
});
