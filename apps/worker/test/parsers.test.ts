import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL_ALIAS } from '@millrace/batch/model';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { IRIS_MODEL_PATH } from '../../../test/fixtures/iris.js';
import { onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { readAliases } from '../dist/models/aliases.js';
import { inspectOnnx } from '../dist/models/onnx-file.js';

/** More than is behind the graph: without it, ONNX Runtime says what is missing. */
const OPSETS_BYTES = 100;
const IRIS = readFileSync(IRIS_MODEL_PATH);

/** Data in two files beside it, one of them within the body of a loop. */
const EXTERNAL = (first: string, second: string) => {
  const tensor = (name: string, location: string) => ({
    name,
    type: 'float32' as const,
    dims: [1],
    data: { location },
  });
  const value = { name: 'x', type: 'float32' as const, shape: ['n'] };
  const body = { inputs: [value], outputs: [value], nodes: [], initializers: [tensor('v', second)] };
  return onnxModel({
    inputs: [value],
    outputs: [{ ...value, name: 'y' }],
    nodes: [{ op: 'Loop', inputs: ['x', 'w'], outputs: ['y'], attributes: { body } }],
    initializers: [tensor('w', first)],
  });
};

describe('an ONNX file', () => {
  /** What was found, or the reason why it is none. */
  const inspect = (bytes: Uint8Array): string[] | string => {
    try {
      return inspectOnnx(bytes);
    } catch (error) {
      const { message } = error as Error;
      expect(message).toMatch(/^is (empty|a Git LFS pointer|cut off: .*; copy it again$|not an ONNX file)/);
      return message;
    }
  };

  it('of any bytes is looked into, or says what it is instead', () => {
    const nearly = fc.array(fc.constantFrom(8, 9, 0x3a, 0x42, 0, 1, 2, 0x7f, 0x80, 0xff, 0x0a, 0x2a, 0x6a), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), nearly), (bytes) => {
        inspect(Uint8Array.from(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('with a few bytes changed is looked into, or says what it is instead', () => {
    const small = EXTERNAL('a', 'b');
    const anyChanges = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.constantFrom(IRIS, small), anyChanges, (whole, changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, byte] of changes) bytes[at % Math.min(bytes.length, 400)] = byte;
        inspect(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('that ends before its graph does is not whole', () => {
    fc.assert(
      fc.property(fc.nat(IRIS.length - OPSETS_BYTES), (length) => {
        expect(typeof inspect(IRIS.subarray(0, length))).toBe('string');
      }),
    );
  });

  it('names the files that it keeps data in, wherever they are named', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (first, second) => {
        expect(inspect(EXTERNAL(first, second))).toEqual([second, first]);
      }),
    );
  });
});

describe('the file of aliases', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-aliases-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'aliases.json');
  const before = { written_at: 1, targets: { champion: 1 }, problems: [] };

  it('of any text stands for versions that are served, or says why not', async () => {
    const anyName = fc.constantFrom('champion', 'constructor', 'toString', '__proto__', '2', '');
    const anyFile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.dictionary(anyName, fc.oneof(fc.nat(4), fc.jsonValue())).map((file) => JSON.stringify(file)),
    );
    await fc.assert(
      fc.asyncProperty(anyFile, fc.constantFrom(undefined, before), async (text, known) => {
        writeFileSync(path, text);
        const found = await readAliases(
          { name: 'iris', path, writtenAt: 2 },
          known,
          (version) => version <= 2,
        );
        for (const [alias, version] of Object.entries(found.targets)) {
          expect(alias).toMatch(MODEL_ALIAS);
          expect([1, 2]).toContain(version);
        }
        if (found.problems.length === 0)
          expect(Object.keys(JSON.parse(text.replace(/^\uFEFF/, ''))).sort()).toEqual(
            Object.keys(found.targets).sort(),
          );
      }),
      { numRuns: 300 },
    );
  });
});
