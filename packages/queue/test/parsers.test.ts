import { OUTCOMES } from '@millrace/batch/ledger';
import { STATUSES } from '@millrace/batch/status';
import { parseBegun } from '@millrace/queue/begun';
import { parseTask } from '@millrace/queue/task-record';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** What comes of it; undefined when it is refused as what it is not. */
function orRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    expect(['ZodError', 'SyntaxError']).toContain((error as Error).name);
    return undefined;
  }
}

const COUNTS = ['created_at', 'chunks', 'total', ...OUTCOMES];
const OPTIONAL = ['started_at', 'finished_at', 'expires_at', 'deadline_at', 'erased_at'];
const TEXTS = ['id', 'client', 'model', 'fingerprint', 'request_id', 'pool'];
const count = fc.nat().map(String);
const anyRecord: fc.Arbitrary<Record<string, string>> = fc
  .record({
    counts: fc.tuple(...COUNTS.map((name) => fc.tuple(fc.constant(name), count))),
    times: fc.tuple(...OPTIONAL.map((name) => fc.tuple(fc.constant(name), fc.option(count)))),
    texts: fc.tuple(...TEXTS.map((name) => fc.tuple(fc.constant(name), fc.string()))),
    format: fc.constantFrom('ndjson', 'csv'),
    status: fc.constantFrom(...STATUSES),
  })
  .map(({ counts, times, texts, format, status }) => {
    const known = times.filter(([, time]) => time !== null);
    return { ...Object.fromEntries([...counts, ...known, ...texts]), format, status };
  });

describe('a task record', () => {
  it('is read with all that it holds', () => {
    fc.assert(
      fc.property(anyRecord, (hash) => {
        const task = parseTask(hash);
        expect([task.id, task.status, task.requestId]).toEqual([hash.id, hash.status, hash.request_id]);
        expect(task.ledger).toEqual(
          Object.fromEntries([...OUTCOMES, 'total'].map((name) => [name, Number(hash[name])])),
        );
        expect(task.expiresAt).toBe(hash.expires_at === undefined ? undefined : Number(hash.expires_at));
      }),
    );
  });

  it('that lacks something, or holds something else, is refused', () => {
    const name = fc.constantFrom(...COUNTS, ...TEXTS, 'format', 'status');
    fc.assert(
      fc.property(anyRecord, name, fc.option(fc.constantFrom('', 'x', '1e999', ' 1')), (hash, at, value) => {
        const { [at]: _, ...rest } = hash;
        const spoilt = value === null ? rest : { ...rest, [at]: value };
        const task = orRefused(() => parseTask(spoilt));
        if (task === undefined) return;
        for (const number of [task.createdAt, task.chunks, ...Object.values(task.ledger)]) {
          expect(number).toSatisfy(Number.isFinite);
        }
      }),
    );
  });

  it('is no hash of anything else', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (hash) => {
        expect(orRefused(() => parseTask(hash))).toBeUndefined();
      }),
    );
  });
});

describe('what a worker gets when it starts a chunk', () => {
  const buffer = fc
    .oneof(fc.string(), fc.constantFrom('0', '12', 'gone', 'started', 'csv'))
    .map((text) => Buffer.from(text));

  it('is read with all that it holds', () => {
    const anyColumns = fc.array(fc.oneof(fc.nat(), fc.tuple(fc.nat(), fc.nat()), fc.constant('id')));
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.string(),
        anyColumns,
        fc.uint8Array(),
        (firstRow, rows, model, columns, bytes) => {
          const texts = [
            'started',
            String(firstRow),
            String(rows),
            model,
            'request-1',
            'csv',
            JSON.stringify(columns),
            'f1',
          ];
          const reply = [
            ...texts.map((text) => Buffer.from(text)),
            Buffer.from(bytes),
            Buffer.from('1795399639958880'),
          ];
          const begun = parseBegun(reply);
          expect(begun).toEqual({
            kind: 'started',
            chunk: {
              firstRow,
              rows,
              model,
              requestId: 'request-1',
              format: 'csv',
              columns,
              pin: `${model} f1`,
              bytes: Buffer.from(bytes),
              begunAt: 1_795_399_639_958_880,
            },
          });
        },
      ),
    );
  });

  it('is nothing else', () => {
    const kind = fc
      .constantFrom('started', 'gone', 'done', 'lost', 'unserved', 'other')
      .map((text) => Buffer.from(text));
    const anyReply = fc.oneof(
      fc.anything(),
      fc
        .tuple(kind, fc.array(fc.oneof(buffer, fc.constant(null)), { maxLength: 9 }))
        .map(([first, rest]) => [first, ...rest]),
    );
    fc.assert(
      fc.property(anyReply, (reply) => {
        const begun = orRefused(() => parseBegun(reply));
        if (begun === undefined || begun.kind === 'gone' || begun.kind === 'done') return;
        expect([begun.chunk.firstRow, begun.chunk.rows].every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
