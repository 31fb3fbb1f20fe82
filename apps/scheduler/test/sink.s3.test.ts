import { createHash } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { useS3 } from '../../../test/fixtures/s3-server.js';
import { Connections } from '../src/connections/connections.js';
import { type S3Sink, writeS3Sink } from '../src/sinks/s3.js';
import type { RunOutput } from '../src/sinks/sink.js';
import { finishSink, killSinkBefore } from './killed-sink.js';
import { contextOf, outputOf } from './output.js';

/** The smallest that S3 takes, but for the last one. */
const PART_BYTES = 5 * 1_048_576;

const rows = Array.from({ length: 250 }, (_, row) => ({ row, id: `ü${row}`, prediction: `${row}` }));

const s3 = useS3();
let connections: Connections | undefined;
let bucket: string;
beforeEach(async () => {
  connections ??= new Connections({ lake: s3.connection });
  bucket = await s3.freshBucket();
});
afterAll(() => connections?.close());

function sinkOf(key: string, changes: Partial<S3Sink> = {}): S3Sink {
  return { kind: 's3', connection: 'lake', bucket, key, ...changes };
}

function write(sink: S3Sink, output: RunOutput, context = contextOf()) {
  if (connections === undefined) throw new Error('there are no connections');
  return writeS3Sink(sink, { connections, partBytes: PART_BYTES }, output, context);
}

/** Lines of a kilobyte. */
function large(lines: number, onLine: (line: number) => void = () => {}): RunOutput {
  return {
    ...outputOf([]),
    async *text() {
      for (let line = 0; line < lines; line++) {
        onLine(line);
        yield `${String(line).padStart(1_023, '.')}\n`;
      }
    },
  };
}

describe('results as an object', () => {
  it('come with a manifest that their bytes hold to', async () => {
    const written = await write(sinkOf('out/2026-11-20.ndjson'), outputOf(rows));
    const body = await s3.get(bucket, 'out/2026-11-20.ndjson');
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(Buffer.from(body).toString().split('\n')).toHaveLength(251);
    expect(written).toEqual({
      location: `s3://${bucket}/out/2026-11-20.ndjson`,
      rows: 250,
      bytes: body.length,
      sha256,
    });
    const manifest = JSON.parse(await s3.text(bucket, 'out/2026-11-20.ndjson.manifest.json'));
    expect(manifest).toMatchObject({
      schedule: 'nightly',
      logical_date: '2026-11-20',
      task_id: 'task-1',
      model: 'recommender@1',
      format: 'ndjson',
      rows: { total: 250, succeeded: 250 },
      bytes: body.length,
      sha256,
    });
    expect(new Date(manifest.written_at).toISOString()).toBe(manifest.written_at);
  });

  it('are in the format that is asked for, or that the key says', async () => {
    const formats: unknown[] = [];
    const empty = outputOf([]);
    const output: RunOutput = {
      ...empty,
      text: (format, outputs) => {
        formats.push([format, outputs]);
        return empty.text(format, outputs);
      },
    };
    await write(sinkOf('a.csv', { outputs: 'all' }), output);
    await write(sinkOf('b.csv', { format: 'ndjson' }), output);
    await write(sinkOf('c.jsonl'), output);
    expect(formats).toEqual([
      ['csv', 'all'],
      ['ndjson', 'default'],
      ['ndjson', 'default'],
    ]);
    expect(await s3.text(bucket, 'c.jsonl')).toBe('');
  });

  it('go up in parts while they come', async () => {
    const begun: Promise<string[]>[] = [];
    const output = large(12_000, (line) => {
      if (line === 6_000) begun.push(s3.uploadsIn(bucket));
    });
    const { bytes, sha256 } = await write(sinkOf('large.ndjson'), output);
    expect(await Promise.all(begun)).toEqual([['large.ndjson']]);
    const body = await s3.get(bucket, 'large.ndjson');
    expect(body.length).toBe(12_000 * 1_024);
    expect(bytes).toBe(body.length);
    expect(createHash('sha256').update(body).digest('hex')).toBe(sha256);
    expect(await s3.uploadsIn(bucket)).toEqual([]);
  });

  it('may end with a part', async () => {
    await write(sinkOf('even.ndjson'), large((2 * PART_BYTES) / 1_024));
    expect(await s3.get(bucket, 'even.ndjson')).toHaveLength(2 * PART_BYTES);
  });

  it('take the place of what is there', async () => {
    await write(sinkOf('a.ndjson'), outputOf(rows));
    await write(sinkOf('a.ndjson'), outputOf(rows.slice(0, 3)));
    expect((await s3.text(bucket, 'a.ndjson')).split('\n')).toHaveLength(4);
  });
});

describe('results that are not to appear', () => {
  it.each([
    ['small', 10],
    ['of several parts', 12_000],
  ])('when the run is taken over: %s', async (_, lines) => {
    await s3.put(bucket, 'a.ndjson', 'before');
    const takenOver = new Error('taken over');
    const fence = () => Promise.reject(takenOver);
    await expect(write(sinkOf('a.ndjson'), large(lines), contextOf({ fence }))).rejects.toBe(takenOver);
    expect(await s3.text(bucket, 'a.ndjson')).toBe('before');
    expect(await s3.keysIn(bucket)).toEqual(['a.ndjson']);
    expect(await s3.uploadsIn(bucket)).toEqual([]);
  });

  it('when the rows cannot be read to their end', async () => {
    const lost = new Error('lost');
    const output = large(12_000, (line) => {
      if (line === 11_000) throw lost;
    });
    await expect(write(sinkOf('a.ndjson'), output)).rejects.toBe(lost);
    expect(await s3.keysIn(bucket)).toEqual([]);
    expect(await s3.uploadsIn(bucket)).toEqual([]);
  });

  it('when the run is cancelled', async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const output = large(12_000, (line) => {
      if (line === 11_000) abort.abort(reason);
    });
    await expect(write(sinkOf('a.ndjson'), output, contextOf({ signal: abort.signal }))).rejects.toBe(reason);
    expect(await s3.keysIn(bucket)).toEqual([]);
    expect(await s3.uploadsIn(bucket)).toEqual([]);
  });

  it.each([
    ['there is no bucket', { bucket: 'no-such-bucket' }, {}, 'sink_refused', false],
    ['the secret is wrong', {}, { secret_access_key: 'hunter2' }, 'sink_not_allowed', false],
    ['nobody listens', {}, { endpoint: 'http://127.0.0.1:1' }, 'sink_unavailable', true],
  ])('when %s', async (_, sink, connection, code, isTransient) => {
    const others = new Connections({ lake: { ...s3.connection, ...connection } });
    const writing = writeS3Sink(
      sinkOf('a.ndjson', sink),
      { connections: others },
      outputOf(rows),
      contextOf(),
    );
    const error = await writing.catch((error: unknown) => error);
    expect(error).toMatchObject({ code, isTransient });
    expect((error as Error).message).not.toContain('hunter2');
    await others.close();
  });

  function rowsLine(row: number): string {
    return `${JSON.stringify({ row, prediction: `item ${row}` })}\n`;
  }

  it.each([
    ['fence:1', 300_000, []],
    ['fence:2', 300_000, ['a.ndjson']],
    ['fence:1', 10, []],
    ['fence:2', 10, ['a.ndjson']],
  ])(
    'killed before %s, %i rows: nothing in part, and one whole object when it is run again',
    async (step, count, visible) => {
      const connections = { lake: s3.connection };
      const job = { connections, sink: { ...sinkOf('a.ndjson') }, rows: count, partBytes: PART_BYTES };
      const whole = Array.from({ length: count }, (_, row) => rowsLine(row)).join('');
      await killSinkBefore(step, job);
      expect(await s3.keysIn(bucket)).toEqual(visible);
      if (visible.length > 0) expect(await s3.text(bucket, 'a.ndjson')).toBe(whole);
      await finishSink(job);
      expect(await s3.keysIn(bucket)).toEqual(['a.ndjson', 'a.ndjson.manifest.json']);
      expect(await s3.text(bucket, 'a.ndjson')).toBe(whole);
      expect(await s3.uploadsIn(bucket)).toEqual([]);
    },
  );

  it('have no manifest of the object before beside them', async () => {
    const job = {
      connections: { lake: s3.connection },
      sink: { ...sinkOf('a.ndjson') },
      partBytes: PART_BYTES,
    };
    await finishSink({ ...job, rows: 10 });
    await killSinkBefore('fence:2', { ...job, rows: 20 });
    expect(await s3.keysIn(bucket)).toEqual(['a.ndjson']);
  });

  it.each([
    ['small', 1, 10],
    ['of several parts', 1, 12_000],
    ['that ends with a whole part', 1, PART_BYTES / 1_024],
    ['before its manifest', 2, 10],
  ])('of a process that wakes up when another one has written all: %s', async (_, fences, lines) => {
    let fenced = 0;
    const fence = async () => {
      if (++fenced === fences) await write(sinkOf('a.ndjson'), outputOf(rows));
    };
    const woken = write(sinkOf('a.ndjson'), large(lines), contextOf({ fence }));
    await expect(woken).rejects.toMatchObject({ code: 'sink_unavailable', isTransient: true });
    const manifest = JSON.parse(await s3.text(bucket, 'a.ndjson.manifest.json'));
    expect(manifest).toMatchObject({ rows: { total: 250 } });
    expect(await s3.get(bucket, 'a.ndjson')).toHaveLength(manifest.bytes);
    expect(await s3.uploadsIn(bucket)).toEqual([]);
  });

  it('leave the uploads of objects whose keys only begin alike', async () => {
    const job = { connections: { lake: s3.connection }, rows: 300_000, partBytes: PART_BYTES };
    await killSinkBefore('fence:1', { ...job, sink: { ...sinkOf('a.ndjson.2', { format: 'ndjson' }) } });
    expect(await s3.uploadsIn(bucket)).toEqual(['a.ndjson.2']);
    await write(sinkOf('a.ndjson'), outputOf(rows));
    expect(await s3.uploadsIn(bucket)).toEqual(['a.ndjson.2']);
  });
});
