/** The end of a check of rows that is not reached. */
import { batchMessage, join, schemaMessage } from '@millrace/columnar/ipc/writer';
import type { Response } from 'express';
import { describe, expect, it } from 'vitest';
import { manifestOf } from '../../../packages/batch/test/manifest-of.js';
import { arrowStream, PLAIN } from '../../../packages/columnar/test/arrow-stream.js';
import { IRIS_MANIFEST, irisDescriptor, irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { checkRows } from '../dist/submit/check-rows.js';

const ROOM = { maxRowBytes: 1024, maxBatchBytes: 1024, hold: () => {} };
const ENTRY = { model: irisDescriptor(0.001), workers: 1, threads: 1 };
const PIECE = toNdjson(irisRows(100));

describe('a check of rows', () => {
  it('ends when its client has gone, though there are more', async () => {
    const response = { destroyed: false } as Response;
    let pieces = 0;
    function* bytes() {
      for (;;) {
        pieces++;
        yield Buffer.from(PIECE);
        if (pieces === 10) response.destroyed = true;
      }
    }
    const rows = { entry: ENTRY, format: 'ndjson' as const, bytes: bytes() };
    const checked = checkRows(rows, { room: ROOM, maxRows: 1e9 }, response);
    await expect(checked).rejects.toMatchObject({ code: 'upload_aborted' });
    expect(pieces).toBeLessThan(20);
  });

  it('ends at the bound of a model that has none of its own', async () => {
    const rows = { entry: ENTRY, format: 'ndjson' as const, bytes: [Buffer.from(PIECE)] };
    const bounds = { room: ROOM, maxRows: 99 };
    const checked = checkRows(rows, bounds, { destroyed: false } as Response);
    await expect(checked).rejects.toMatchObject({ code: 'too_many_rows', details: { limit_rows: 99 } });
    const whole = await checkRows(rows, { ...bounds, maxRows: 100 }, { destroyed: false } as Response);
    expect(whole.report().rows).toBe(100);
  });

  it('ends there, too, when the rows take no bytes', async () => {
    const empty = { kind: 'null' as const, length: 65_536 };
    const types = IRIS_MANIFEST.features.map(({ name }) => ({ name, type: { kind: 'null' as const } }));
    const batch = join(
      batchMessage(
        types.map(() => empty),
        empty.length,
      ),
    );
    let batches = 0;
    function* bytes() {
      yield schemaMessage(types);
      for (;;) {
        batches++;
        yield batch;
      }
    }
    expect(batch.length).toBeLessThan(500);
    const rows = { entry: ENTRY, format: 'arrow' as const, bytes: bytes() };
    const bounds = { room: ROOM, maxRows: 100_000 };
    const checked = checkRows(rows, bounds, { destroyed: false } as Response);
    await expect(checked).rejects.toMatchObject({ code: 'too_many_rows' });
    expect(batches).toBe(2);
  });

  it('leaves nothing held of what it took, as a dictionary', async () => {
    const held: number[] = [];
    const room = { ...ROOM, maxBatchBytes: 1e6, hold: (bytes: number) => void held.push(bytes) };
    const manifest = manifestOf({ name: 'colour', type: 'category', values: ['red', 'green'] });
    const entry = { ...ENTRY, model: { ...ENTRY.model, manifest } };
    const sent = arrowStream(manifest, [{ colour: 'red' }, { colour: 'green' }], {
      ...PLAIN,
      dictionaries: true,
    });
    const rows = { entry, format: 'arrow' as const, bytes: [sent] };
    const checked = await checkRows(rows, { room, maxRows: 10 }, { destroyed: false } as Response);
    expect(checked.report()).toMatchObject({ rows: 2, valid: 2 });
    expect(Math.max(...held)).toBeGreaterThan(0);
    expect(held.at(-1)).toBe(0);
  });
});
