import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { completeManifest } from '@millrace/batch/manifest/complete';
import { ELEMENT_TYPE_NAMES, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import type { Feature } from '@millrace/batch/manifest/feature';
import type { GraphTensor } from '@millrace/batch/manifest/graph';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { predictionSchema, rowSchema } from '@millrace/batch/manifest/row-schema';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { readRows } from '@millrace/batch/results/read-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

type Pick = fc.GeneratorValue;
const OUTPUT: GraphTensor = { name: 'out', type: 'int64', shape: [null] };

function oneOf<T>(pick: Pick, values: readonly T[]): T {
  return values[pick(fc.nat, { max: values.length - 1 })] as T;
}

function chance(pick: Pick, percent: number): boolean {
  return pick(fc.nat, { max: 99 }) < percent;
}

/** Where the bounds of some element type lie. */
const NUMBERS = [0, 1, 0.5, 3, 65504, 3.4028235e38, 3.5e38, 1e308]
  .concat(
    [7, 8, 11, 15, 16, 24, 31, 32, 53, 63, 64].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]),
  )
  .flatMap((value) => [value, -value]);
const WHOLE_TEXTS =
  '1 +7 -0 9223372036854775807 -9223372036854775809 18446744073709551615 18446744073709551616 123456789012345678901';
const TEXTS = ['', 'a', 'héllo', 'a\u0000b', ' 1', '1.5', ...WHOLE_TEXTS.split(' ')];
/** No feature is named like a member that every object inherits: zod takes those of an absent value for the value. */
const NAMES = ['x', 'y', 'id', 'a b', 'ü/~', '1', 'length'];

function featureFor(pick: Pick, type: ElementType, name: string): Feature {
  const { kind } = ELEMENT_TYPES[type];
  const element = oneOf(
    pick,
    {
      float: ['float', 'int', 'bool'] as const,
      int: ['int', 'bool'] as const,
      bigint: ['int', 'bool'] as const,
      bool: ['bool'] as const,
      string: ['string'] as const,
    }[kind],
  );
  const isNumber = element === 'float' || element === 'int';
  const bounds = isNumber && chance(pick, 40) ? { min: oneOf(pick, NUMBERS), max: oneOf(pick, NUMBERS) } : {};
  const about = { name, ...(bounds.min !== undefined && bounds.min > (bounds.max ?? 0) ? {} : bounds) };
  switch (oneOf(pick, ['single', 'single', 'single', 'category', 'vector', 'tensor'])) {
    case 'vector':
      return { ...about, type: 'vector', length: oneOf(pick, [1, 2, 3]), element };
    case 'tensor': {
      const length = oneOf(pick, [1, 2, 3]);
      return {
        ...about,
        type: 'tensor',
        shape: Array.from({ length }, () => oneOf(pick, [null, 1, 2])),
        element,
      };
    }
    case 'category': {
      if (kind === 'bool') break;
      const isText = kind === 'string' || chance(pick, 50);
      const values = isText ? ['', 'a', '1'] : [0, 1, 3];
      return {
        name,
        type: 'category',
        values,
        ...(chance(pick, 30) ? { default: values[0] } : {}),
      } as Feature;
    }
  }
  const fallback = { float: oneOf(pick, [0, 'NaN'] as const), int: 0, bool: true, string: 'a' }[element];
  const hasFallback = chance(pick, 30) && bounds.min === undefined;
  const limit = element === 'string' && chance(pick, 50) ? { max_length: 4 } : {};
  return { ...about, ...limit, type: element, ...(hasFallback ? { default: fallback } : {}) } as Feature;
}

/** As `complete.ts` makes it of a graph: one to three tensors, each with one feature of any kind or several single ones. */
function randomManifest(pick: Pick): Manifest | undefined {
  const names = [...NAMES].sort(() => (chance(pick, 50) ? 1 : -1));
  const features: Feature[] = [];
  const inputs: { name: string; features: string[] }[] = [];
  const tensors: GraphTensor[] = [];
  const count = oneOf(pick, [1, 1, 2, 3]);
  for (let at = 0; at < count; at++) {
    const type = oneOf(pick, ELEMENT_TYPE_NAMES);
    const packed = Array.from({ length: oneOf(pick, [1, 1, 2]) }, () =>
      featureFor(pick, type, names.pop() as string),
    );
    const isOpen = packed.some((feature) => feature.type === 'tensor' && feature.shape.includes(null));
    const found = isOpen ? packed.slice(0, 1) : packed;
    const [only] = found;
    const shape = only?.type === 'tensor' && found.length === 1 ? only.shape : [null];
    features.push(...found);
    inputs.push({ name: `in${at}`, features: found.map(({ name }) => name) });
    tensors.push({ name: `in${at}`, type, shape: [null, ...shape] });
  }
  try {
    return completeManifest({ features, inputs }, { inputs: tensors, outputs: [OUTPUT] });
  } catch {
    return undefined;
  }
}

function anything(pick: Pick): unknown {
  return chance(pick, 70)
    ? oneOf(pick, [...NUMBERS, ...TEXTS, null, true, [], {}, [1], [[1]], ['1'], [[1, 2], [3]], { x: 1 }])
    : JSON.parse(pick(fc.json));
}

function elementValue(pick: Pick, type: string, feature: Feature): unknown {
  if (chance(pick, 4)) return anything(pick);
  switch (type) {
    case 'category':
      return oneOf<string | number>(pick, 'values' in feature ? feature.values : []);
    case 'bool':
      return chance(pick, 50);
    case 'string':
      return oneOf(pick, TEXTS);
  }
  const { min, max } = { min: undefined, max: undefined, ...feature } as { min?: number; max?: number };
  const near = [min, max].flatMap((bound) => (bound === undefined ? [] : [bound, bound - 1, bound + 1]));
  return oneOf(pick, [0, 1, 1, 3, ...near, ...(chance(pick, 20) ? [...NUMBERS, ...TEXTS] : [])]);
}

function featureValue(pick: Pick, feature: Feature): unknown {
  if (chance(pick, 4)) return anything(pick);
  if ('default' in feature && feature.default !== undefined && chance(pick, 30)) return null;
  const shape = feature.type === 'vector' ? [feature.length] : feature.type === 'tensor' ? feature.shape : [];
  const sizes = shape.map((size) => size ?? oneOf(pick, [1, 2]));
  const fill = (depth: number): unknown => {
    const size = sizes[depth];
    if (size === undefined)
      return elementValue(pick, 'element' in feature ? feature.element : feature.type, feature);
    const length = chance(pick, 3) ? oneOf(pick, [0, 1, 2, 3]) : size;
    return Array.from({ length }, () => fill(depth + 1));
  };
  return fill(0);
}

function randomRow(pick: Pick, { features }: Manifest): unknown {
  const [only] = features;
  const kind = oneOf(pick, ['object', 'object', 'array', 'bare']);
  if (kind === 'bare') {
    return chance(pick, 70) && only !== undefined ? featureValue(pick, only) : anything(pick);
  }
  if (kind === 'array') {
    const row = features.map((feature) => featureValue(pick, feature));
    return chance(pick, 5) ? row.slice(1) : chance(pick, 5) ? [...row, 1] : row;
  }
  const members = features
    .filter((feature) => !chance(pick, 'default' in feature ? 40 : 4))
    .map((feature) => [feature.name, featureValue(pick, feature)]);
  const row: Record<string, unknown> = Object.fromEntries(members);
  const ids = ['r1', 7, null, 'a'.repeat(256), 'a'.repeat(257), 2 ** 53 - 1, 2 ** 53, 0.5, true, [1]];
  if (!('id' in row) && chance(pick, 30)) row.id = oneOf(pick, ids);
  if (chance(pick, 4)) row[oneOf(pick, ['extra', 'constructor', ...NAMES])] ??= 1;
  return row;
}

function isRead(manifest: Manifest, row: unknown): boolean {
  const reader = new RowReader(manifest);
  return typeof reader.idOf(row) !== 'object' && reader.read(row, reader.allocate(1), 0) === undefined;
}

function compiled(schema: z.ZodType, io: 'input' | 'output') {
  const ajv = new Ajv2020({ strictTypes: false });
  ajv.addKeyword('x-unit');
  return ajv.compile(z.toJSONSchema(schema, { io, target: 'draft-2020-12' }));
}

describe('the schema of a row', () => {
  it('accepts exactly the rows that the reader reads, and its JSON Schema none less', () => {
    let read = 0;
    let runs = 0;
    fc.assert(
      fc.property(fc.gen(), (pick) => {
        const manifest = randomManifest(pick);
        // Bounds that nothing can lie within are refused before there is a schema.
        fc.pre(manifest !== undefined);
        if (manifest === undefined) return;
        const schema = rowSchema(manifest);
        const validate = compiled(schema, 'input');
        for (let times = 0; times < 8; times++) {
          const row = JSON.parse(JSON.stringify(randomRow(pick, manifest)));
          const expected = isRead(manifest, row);
          const shown = () => JSON.stringify({ row, features: manifest.features, inputs: manifest.inputs });
          if (schema.safeParse(row).success !== expected)
            throw new Error(`zod disagrees: ${expected} ${shown()}`);
          if (expected && !validate(row)) throw new Error(`JSON Schema refuses what is read: ${shown()}`);
          runs++;
          if (expected) read++;
        }
      }),
      { numRuns: 500 },
    );
    // Were nearly all rows bad, or good, nothing would have been tested.
    expect(read / runs).toBeGreaterThan(0.25);
    expect(read / runs).toBeLessThan(0.9);
  });

  it('bounds the values of an open tensor', () => {
    const tensors: GraphTensor[] = [{ name: 'x', type: 'float32', shape: [null, null] }];
    const manifest = completeManifest({}, { inputs: tensors, outputs: [OUTPUT] });
    for (const length of [1_000_000, 1_000_001]) {
      const row = { x: new Array(length).fill(1) };
      expect([isRead(manifest, row), rowSchema(manifest).safeParse(row).success]).toEqual(
        length === 1_000_000 ? [true, true] : [false, false],
      );
    }
  });

  it('says what the manifest says of a feature', () => {
    const features: Feature[] = [
      { name: 'x', type: 'float', min: 0, max: 30, description: 'The length.', unit: 'cm', default: 2 },
      { name: 'id', type: 'int' },
    ];
    const inputs: GraphTensor[] = [{ name: 'in', type: 'float32', shape: [null, 2] }];
    const schema = z.toJSONSchema(rowSchema(completeManifest({ features }, { inputs, outputs: [OUTPUT] })), {
      io: 'input',
    });
    expect(schema.anyOf?.[0]).toEqual({
      type: 'object',
      description: 'By feature name.',
      properties: {
        id: { type: 'integer', minimum: -(2 ** 24), maximum: 2 ** 24 },
        x: {
          anyOf: [{ type: 'number', minimum: 0, maximum: 30 }, { type: 'null' }],
          description: 'The length. In cm.',
          'x-unit': 'cm',
          default: 2,
        },
      },
      required: ['id'],
      additionalProperties: false,
    });
    expect(schema.anyOf?.[1]).toMatchObject({ description: 'In feature order.', items: false, minItems: 2 });
  });
});

/** Of any type and shape, printed in any way that `complete.ts` lets through. */
function randomOutput(pick: Pick, name: string): [GraphTensor, Record<string, unknown>] {
  const type = oneOf(pick, ELEMENT_TYPE_NAMES);
  const { kind } = ELEMENT_TYPES[type];
  const shape = oneOf(pick, [[], [], [2], [2], [null], [2, 1], [null, 2]]);
  const isNumber = kind !== 'string' && kind !== 'bool';
  const isNamed = shape.length === 1 ? isNumber : shape.length === 0 && (kind === 'int' || kind === 'bigint');
  const printing = {
    ...(isNamed && chance(pick, 50) ? { classes: ['no', 'yes'] } : {}),
    ...(shape.length === 1 && isNumber && chance(pick, 30) ? { top_k: oneOf(pick, [1, 3]) } : {}),
    ...(kind === 'bigint' ? { int64: oneOf(pick, ['auto', 'string', 'number']) } : {}),
    ...(kind === 'float' && chance(pick, 60) ? { non_finite: 'string' } : {}),
    ...(kind === 'float' && chance(pick, 30) ? { decimals: 2 } : {}),
  };
  return [
    { name, type, shape: [null, ...shape] },
    { name, ...printing },
  ];
}

function randomValues(pick: Pick, type: ElementType, length: number) {
  const held = ELEMENT_TYPES[type];
  if (held.kind === 'string') return Array.from({ length }, () => oneOf(pick, TEXTS));
  if (held.kind === 'bigint') {
    const values = [0n, 1n, 5n, held.min, held.max, 2n ** 53n];
    return new held.array(Array.from({ length }, () => oneOf(pick, values)));
  }
  const values = [
    0,
    1,
    0.1,
    5,
    300,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0x7c00,
  ];
  return new held.array(Array.from({ length }, () => oneOf(pick, held.kind === 'bool' ? [0, 1] : values)));
}

describe('the schema of a prediction', () => {
  it('accepts whatever is printed', () => {
    let printed = 0;
    fc.assert(
      fc.property(fc.gen(), (pick) => {
        const found = [randomOutput(pick, 'a'), randomOutput(pick, 'b')];
        const manifest = completeManifest(
          {
            outputs: found.map(([, entry]) => entry) as never,
            primary: oneOf(pick, ['a', 'b']),
            ...(chance(pick, 50) ? { default_outputs: oneOf(pick, [['a'], ['b', 'a']]) } : {}),
          },
          {
            inputs: [{ name: 'x', type: 'float32', shape: [null] }],
            outputs: found.map(([tensor]) => tensor),
          },
        );
        const columns = manifest.outputs.map((output) => {
          const shape = output.shape.map((size) => size ?? oneOf(pick, [1, 3]));
          const size = shape.reduce((product, each) => product * each, 1);
          const builder = new ColumnBuilder(output, 1);
          builder.add(new Uint32Array([0]), randomValues(pick, output.type, size), shape);
          return builder.finish();
        });
        const { segments } = encodeChunk({ firstRow: 0, rows: 1, errors: [], columns, shown: manifest });
        for (const outputs of ['default', 'primary', 'all'] as const) {
          const schema = predictionSchema(manifest, outputs);
          const validate = compiled(schema, 'output');
          for (const { prediction } of readRows(segments, 0, 1, outputs)) {
            if (prediction === undefined) continue;
            const value = JSON.parse(prediction);
            if (!schema.safeParse(value).success) throw new Error(`zod refuses ${outputs}: ${prediction}`);
            if (!validate(value)) throw new Error(`JSON Schema refuses ${outputs}: ${prediction}`);
            printed++;
          }
        }
      }),
      { numRuns: 250 },
    );
    expect(printed).toBeGreaterThan(250);
  });

  it('is as narrow as the manifest', () => {
    const outputs: GraphTensor[] = [
      { name: 'label', type: 'int64', shape: [null] },
      { name: 'scores', type: 'float32', shape: [null, 2] },
    ];
    const graph = { inputs: [{ name: 'x', type: 'float32', shape: [null] } as GraphTensor], outputs };
    const manifest = completeManifest(
      {
        outputs: [
          { name: 'label', classes: ['no', 'yes'] },
          { name: 'scores', classes: ['no', 'yes'], top_k: 1 },
        ],
      },
      graph,
    );
    const accepts = (shown: 'default' | 'primary' | 'all', value: unknown) =>
      predictionSchema(manifest, shown).safeParse(value).success;
    expect(accepts('default', 'yes')).toBe(true);
    expect(accepts('default', 'maybe')).toBe(false);
    expect(accepts('primary', { label: 'yes' })).toBe(false);
    const scores = [{ class: 'no', score: 0.5 }];
    expect(accepts('all', { label: 'yes', scores })).toBe(true);
    expect(accepts('all', { label: 'yes', scores: [...scores, ...scores] })).toBe(false);
    expect(accepts('all', { label: 'yes' })).toBe(false);
  });
});

describe('models/model.schema.json', () => {
  const MODELS = new URL('../../../models/', import.meta.url);
  const text = readFileSync(new URL('model.schema.json', MODELS), 'utf8');
  const validate = new Ajv2020({ strictTypes: false }).compile(JSON.parse(text));
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, MODELS), 'utf8'));
  const files = readdirSync(MODELS, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('model.json'),
  );

  it('is what the manifest says; else run: npm run build && node scripts/json-schemas.mjs', () => {
    const script = new URL('../../../scripts/json-schemas.mjs', import.meta.url).pathname;
    const { stdout, stderr } = spawnSync(process.execPath, [script, '--print', 'models/model.schema.json'], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(text).toBe(stdout);
  });

  it.each(files)('accepts %s', (path) => {
    expect(validate(read(path)), JSON.stringify(validate.errors)).toBe(true);
    expect(new URL(read(path).$schema, new URL(path, MODELS)).href).toBe(
      new URL('model.schema.json', MODELS).href,
    );
  });

  it('refuses a key that there is not, at every level', () => {
    const file = read('iris/1/model.json');
    expect(files).toContain('iris/1/model.json');
    expect(validate({ ...file, feature: [] })).toBe(false);
    expect(validate({ ...file, features: [{ ...file.features[0], maximum: 3 }] })).toBe(false);
    expect(validate({ ...file, outputs: [{ ...file.outputs[0], class: ['a'] }] })).toBe(false);
  });
});
