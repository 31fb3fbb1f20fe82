import { BatchError, INVALID_ROW_CODES } from '@millrace/batch/errors';
import { completeManifest } from '@millrace/batch/manifest/complete';
import { allocate, ELEMENT_TYPE_NAMES, ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import { Samples } from '@millrace/batch/manifest/samples';
import { problemsOf } from '@millrace/batch/manifest/strict';
import { modelKey, parseModelRef } from '@millrace/batch/model';
import { parseHeader, parseRecord } from '@millrace/batch/rows/csv';
import { type ElementRule, elementCodec } from '@millrace/batch/rows/element-codec';
import { isNestedTooDeep, NESTING_MAX } from '@millrace/batch/rows/nesting';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCase, manifestOfModel } from './any-model.js';
import { anyBytes, utf8 } from './byte-pieces.js';
import { manifestOf } from './manifest-of.js';

const CODES: readonly string[] = INVALID_ROW_CODES;
const HEADER_CODES = ['malformed_header', 'duplicate_column', 'unknown_column', 'missing_column'];
/** JSON with the names that objects inherit. */
const anyJson = fc.jsonValue({ depthSize: 'medium' });
const anyText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }));

describe('whatever it is given', () => {
  it('a header names columns, or is refused with a code', () => {
    const manifest = manifestOf('a', '1', { name: '"', type: 'vector', length: 2 });
    const nearly = fc.array(fc.constantFrom('a', '1', '"', '""""', '"."', '""".0"', 'id', ',', ' ', '\r\n'));
    const anyHeader = fc.oneof(
      anyBytes,
      nearly.map((parts) => utf8(parts.join(''))),
    );
    fc.assert(
      fc.property(anyHeader, (bytes) => {
        try {
          const columns = parseHeader(bytes, manifest);
          expect(new Set(columns.map(String)).size).toBe(columns.length);
          expect(columns.length).toBeGreaterThanOrEqual(manifest.features.length);
        } catch (error) {
          if (!(error instanceof BatchError)) throw error;
          expect(HEADER_CODES).toContain(error.code);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('a record has fields as far as they are asked for, or broken quotes', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 5 }), (record, most) => {
        const fields = parseRecord(record);
        if (fields !== undefined) expect(parseRecord(record, most)).toEqual(fields.slice(0, most));
      }),
    );
  });

  it('a row of any model is read, or has a problem with a code', () => {
    fc.assert(
      fc.property(anyCase, anyJson, ({ model, rows }, junk) => {
        const reader = new RowReader(manifestOfModel(model));
        const inputs = reader.allocate(1);
        const names = model.flatMap((input) => input.features.map(({ name }) => name));
        const values = rows[0]?.values ?? [];
        const spoilt = Object.fromEntries(names.map((name, at) => [name, at === 0 ? junk : values[at]]));
        for (const row of [junk, spoilt, [junk, ...values.slice(1)], { ...spoilt, id: junk }]) {
          const id = reader.idOf(row);
          for (const problem of [reader.read(row, inputs, 0), typeof id === 'object' ? id : undefined]) {
            if (problem !== undefined) expect(CODES).toContain(problem.code);
          }
        }
      }),
    );
  });

  it.each(ELEMENT_TYPE_NAMES)('a field of %s is a value, or has a problem with a code', (type) => {
    const { kind } = ELEMENT_TYPES[type];
    const rules: ElementRule[] = [
      { type: 'category', values: kind === 'string' ? ['', 'a', '1'] : [0, 1] },
      kind === 'string' ? { type: 'string', max_length: 3 } : { type: 'int', min: 0, max: 9 },
      kind === 'float' ? { type: 'float' } : { type: kind === 'string' ? 'string' : 'bool' },
    ];
    const nearlyNumber = fc.stringMatching(/^[ +-]?[0-9.eE+-]{0,25} ?$/);
    const data = allocate(type, 1);
    fc.assert(
      fc.property(fc.oneof(anyText, nearlyNumber), (field) => {
        for (const rule of rules) {
          const codec = elementCodec(rule, type);
          const value = codec.fromText(field);
          if (!codec.write(value, data, 0)) expect(CODES).toContain(codec.explain(value).code);
        }
      }),
    );
  });

  it('a text is a reference that spells the same, or none', () => {
    const nearly = fc.stringMatching(/^[a-zA-Z0-9._@-]{0,12}$/);
    fc.assert(
      fc.property(fc.oneof(nearly, anyText), (text) => {
        const ref = parseModelRef(text);
        if (ref === undefined) return;
        const { name, version, alias } = ref;
        expect(version === undefined ? name + (alias ? `@${alias}` : '') : modelKey({ name, version })).toBe(
          text,
        );
      }),
    );
  });
});

describe('nesting', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  const anyNested = fc
    .record({ core: anyJson, depth: fc.nat(2 * NESTING_MAX), isObject: fc.func(fc.boolean()) })
    .map(({ core, depth, isObject }) => {
      let value: unknown = core;
      for (let level = 0; level < depth; level++)
        value = isObject(level) ? { ']"': value } : ['[', value, '{'];
      return value;
    });

  it('of JSON is counted as it is', () => {
    fc.assert(
      fc.property(anyNested, (value) => {
        expect(isNestedTooDeep(JSON.stringify(value))).toBe(depthOf(value) > NESTING_MAX);
      }),
    );
  });

  it('of a text with few brackets is none, whatever the text is', () => {
    fc.assert(
      fc.property(anyText, fc.nat(NESTING_MAX), (text, times) => {
        expect(isNestedTooDeep(text.replaceAll(/[[{]/g, '') + '[{"\\'.repeat(times / 2))).toBe(false);
      }),
    );
  });
});

describe('the files of a version', () => {
  const FILE = {
    description: 'A model.',
    features: [
      { name: 'a', type: 'float', min: 0, max: 1, default: 0.5, unit: 'cm' },
      { name: 'b', type: 'category', values: ['x', 'y'] },
      { name: 'c', type: 'vector', length: 2, element: 'int' },
    ],
    inputs: [{ name: 'input', features: ['a', 'b', 'c'] }],
    outputs: [{ name: 'y', type: 'float32', shape: [2], classes: ['no', 'yes'], top_k: 1 }],
    primary: 'y',
    limits: { micro_batch: 64, max_rows: 1000, pool: 'default' },
  };
  const GRAPH = {
    inputs: [{ name: 'input', type: 'float32' as const, shape: [null, 4] }],
    outputs: [{ name: 'y', type: 'float32' as const, shape: [null, 2] }],
  };

  /** The value with another one in some place within it. */
  const spoil = (value: unknown, steps: readonly number[], junk: unknown): unknown => {
    const [step, ...rest] = steps;
    if (step === undefined || typeof value !== 'object' || value === null) return junk;
    const keys = Object.keys(value);
    const key = keys[step % (keys.length + 1)] ?? 'more';
    const inner = spoil((value as Record<string, unknown>)[key], rest, junk);
    if (Array.isArray(value)) return value.map((each, at) => (String(at) === key ? inner : each));
    return { ...value, [key]: inner };
  };
  const anySteps = fc.array(fc.nat(9), { maxLength: 4 });

  it('are a manifest, or say what is wrong with them', () => {
    const complete = completeManifest(ManifestFile.parse(FILE), GRAPH);
    expect(Manifest.parse(structuredClone(complete))).toEqual(complete);
    fc.assert(
      fc.property(anySteps, fc.oneof(anyJson, fc.constantFrom('a', 'c', -1, 0, 1e9)), (steps, junk) => {
        const { data, error } = ManifestFile.safeParse(spoil(FILE, steps, junk));
        if (error !== undefined) {
          expect(problemsOf(error)).not.toBe('');
          return;
        }
        try {
          const manifest = completeManifest(data, GRAPH);
          expect(Manifest.parse(structuredClone(manifest))).toEqual(manifest);
        } catch (thrown) {
          expect((thrown as Error).constructor).toBe(Error);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('are samples, or say what is wrong with them', () => {
    const samples = { tolerance: 0.1, samples: [{ row: { x: 1 }, outputs: { y: [1, 'a', [true]] } }] };
    fc.assert(
      fc.property(anySteps, anyJson, (steps, junk) => {
        const { data, error } = Samples.safeParse(spoil(samples, steps, junk));
        if (error === undefined) expect(Samples.parse(structuredClone(data))).toEqual(data);
        else expect(problemsOf(error)).not.toBe('');
      }),
    );
  });
});
