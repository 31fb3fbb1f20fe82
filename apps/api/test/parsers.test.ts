import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchError, type RequestCode } from '@millrace/batch/errors';
import { createLogger } from '@millrace/process/logger';
import express, { type Request } from 'express';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeys, createKey, readKeyFile, writeKeyFile } from '../dist/auth/api-keys.js';
import { parseParameters } from '../dist/query.js';
import { parseCursor } from '../dist/result/page.js';
import { ResultQuery } from '../dist/result/result.js';
import { preferredWait } from '../dist/result/wait.js';
import { bodyFormat } from '../dist/submit/body.js';
import { idempotencyKey } from '../dist/submit/idempotency-key.js';
import { parseJsonBody, toLines } from '../dist/submit/json-body.js';
import { mergeOptions, SubmitOptions, SubmitQuery } from '../dist/submit/options.js';

/** A request with one header, which is all that the parsers of headers look at. */
function withHeader(name: string, value: string | undefined): Request {
  return Object.create(express.request, { headers: { value: { [name]: value } } });
}

/** What comes of it: a value, or a refusal with one of these codes. */
function orRefused<T>(read: () => T, ...codes: RequestCode[]): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    expect(codes).toContain(error.code);
    return undefined;
  }
}

const anyText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }));
/** What a header may hold on the wire. */
const anyHeader = fc.stringMatching(/^[\t -~\x80-\xff]{0,80}$/);
const pieces = (...parts: string[]) =>
  fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((each) => each.join(''));

describe('a JSON body', () => {
  const CODES = [
    'malformed_body',
    'invalid_body',
    'unknown_parameter',
    'invalid_parameter',
    'empty_batch',
  ] as const;
  const parse = (bytes: Uint8Array) => orRefused(() => parseJsonBody(bytes), ...CODES);

  it('of any bytes is read or refused', () => {
    const nearly = pieces(
      '{',
      '}',
      '[',
      ']',
      '"inputs"',
      ':',
      ',',
      '1',
      '"a"',
      '\\',
      'null',
      ' ',
      '"model"',
      '\uFEFF',
    );
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.oneof(nearly, fc.json()).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const found = parse(bytes);
        if (found !== undefined) expect(found.rows.length).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is stored as a line for each of its rows, and read back from them', () => {
    const anyRows = fc.array(fc.jsonValue(), { minLength: 1 });
    fc.assert(
      fc.property(anyRows, fc.boolean(), (rows, isEnvelope) => {
        const text = JSON.stringify(isEnvelope ? { inputs: rows } : rows);
        const found = parse(Buffer.from(text));
        const lines = Buffer.from(toLines(found?.rows ?? [])).toString();
        expect(
          lines
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line)),
        ).toEqual(JSON.parse(JSON.stringify(rows)));
      }),
    );
  });
});

describe('parameters', () => {
  const name = fc.constantFrom(
    'model',
    'on_invalid',
    'expires_in',
    'validate_only',
    'outputs',
    'after',
    'limit',
    '__proto__',
    'x',
  );
  const value = fc.oneof(
    anyText,
    fc.array(anyText),
    fc.constantFrom('iris', 'reject', 'true', '1', '60', '0', '3.120', 'all', '-1', '1e9'),
    fc.jsonValue(),
  );
  const anyValues = fc.dictionary(name, value, { maxKeys: 3 });

  it.each([
    ['of a submission', SubmitQuery],
    ['of a JSON body', SubmitOptions],
    ['of a result', ResultQuery],
  ])('%s are read or refused by name, whatever they are', (_, schema) => {
    fc.assert(
      fc.property(anyValues, (values) => {
        const read = () => parseParameters(schema, values, 'parameter');
        const found = orRefused(read, 'unknown_parameter', 'invalid_parameter');
        if (found !== undefined)
          expect(Object.keys(schema.shape)).toEqual(expect.arrayContaining(Object.keys(values)));
      }),
      { numRuns: 500 },
    );
  });

  it('of query and body are merged, or contradict each other', () => {
    const anyOptions = fc.record(
      {
        model: fc.constantFrom('iris', 'roses'),
        on_invalid: fc.constantFrom('reject' as const, 'report' as const),
        expires_in: fc.constantFrom(1, 2),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyOptions, anyOptions, (query, body) => {
        const merged = orRefused(() => mergeOptions(query, body), 'conflicting_parameter');
        if (merged !== undefined) expect(merged).toEqual({ ...body, ...query });
      }),
    );
  });
});

describe('a cursor', () => {
  it('is a place, or none that we have given out', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.stringMatching(/^[0-9.]{0,22}$/)), (text) => {
        const cursor = parseCursor(text);
        if (cursor === undefined) return;
        const { chunk, place } = cursor;
        const [first = '', second = '0'] = text.split('.');
        expect([chunk, place]).toEqual([Number(first), Number(second)]);
        expect([chunk, place].every(Number.isSafeInteger)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a header', () => {
  const read = (header: string | undefined) =>
    orRefused(() => idempotencyKey(withHeader('idempotency-key', header)), 'invalid_idempotency_key');

  it('with any key is read or refused', () => {
    fc.assert(
      fc.property(fc.oneof(anyHeader, pieces('"', '\\', 'a', ' ', ',', ';', '\\"')), (header) => {
        const key = read(header);
        if (key !== undefined) expect(key).toMatch(/^[ -~]{1,255}$/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('with a key in quotes spells that key', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{1,255}$/), (key) => {
        expect(read(`"${key.replace(/["\\]/g, '\\$&')}"`)).toBe(key);
        if (/^[^ ,;"\\]+$/.test(key)) expect(read(key)).toBe(key);
      }),
    );
  });

  it('with any preference waits for a minute at most, or not at all', () => {
    const nearly = pieces('wait', '=', '10', '"', ',', ';', ' ', 'respond-async', '9'.repeat(400));
    fc.assert(
      fc.property(fc.oneof(anyHeader, nearly), (header) => {
        const ms = preferredWait(withHeader('prefer', header));
        if (ms === undefined) return;
        expect(header).toMatch(/wait/i);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(60_000);
      }),
      { numRuns: 1_000 },
    );
  });

  it('with a preference among others waits that long', () => {
    const other = fc.constantFrom('respond-async', 'handling=lenient', 'return=minimal');
    fc.assert(
      fc.property(fc.nat(100), fc.array(other), fc.array(other), (seconds, before, after) => {
        const header = [...before, `wait=${seconds}`, ...after].join(', ');
        expect(preferredWait(withHeader('prefer', header))).toBe(Math.min(seconds, 60) * 1000);
      }),
    );
  });

  it('with any media type is a format, or refused', () => {
    const nearly = pieces(
      'application/',
      'json',
      'x-ndjson',
      'text/csv',
      ';',
      ' ',
      'charset=',
      'utf-8',
      '"',
      'constructor',
    );
    fc.assert(
      fc.property(fc.oneof(anyHeader, nearly, fc.constantFrom('constructor', '__proto__')), (header) => {
        const format = orRefused(
          () => bodyFormat(withHeader('content-type', header)),
          'unsupported_media_type',
        );
        expect(['json', 'ndjson', 'csv', undefined]).toContain(format);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('API keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-keys-'));
  const path = join(folder, 'keys.json');
  const log = createLogger({ service: 'test', level: 'error', format: 'json' });
  const { key, entry } = createKey('alice', new Date(0));
  let keys: ApiKeys;
  beforeAll(async () => {
    await writeKeyFile(path, { keys: [entry] });
    keys = await ApiKeys.open(path, log);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are no other header', async () => {
    const nearly = pieces('Bearer', 'bearer', ' ', key, key.slice(0, 9), '\t', ',');
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyHeader, nearly, fc.constant(undefined)), async (header) => {
        const client = await keys.authenticate(header).catch((error) =>
          orRefused(() => {
            throw error;
          }, 'unauthorized'),
        );
        expect(client).toBe(/^bearer +(\S+)$/i.exec(header ?? '')?.[1] === key ? 'alice' : undefined);
      }),
    );
  });

  it('are in a file that holds, or is refused by its name', async () => {
    const other = join(folder, 'other.json');
    const nearly = fc
      .record({
        keys: fc.array(
          fc.oneof(fc.constant(entry), fc.record({ client: anyText, sha256: anyText, created_at: anyText })),
        ),
      })
      .map((file) => JSON.stringify(file));
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyText, fc.json(), nearly), async (text) => {
        writeFileSync(other, text);
        try {
          const file = await readKeyFile(other);
          await writeKeyFile(other, file);
          expect(await readKeyFile(other)).toEqual(file);
        } catch (error) {
          expect((error as Error).message).toMatch(`the key file ${other} does not hold: `);
        }
      }),
    );
  });
});
