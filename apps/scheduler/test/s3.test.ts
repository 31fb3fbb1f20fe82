import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { useS3 } from '../../../test/fixtures/s3-server.js';
import { Connections } from '../src/connections/connections.js';
import { type S3Sink, writeS3Sink } from '../src/sinks/s3.js';
import type { RunOutput } from '../src/sinks/sink.js';
import { openS3Object, openS3Reader } from '../src/sources/s3.js';
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

function deps(idleMs?: number) {
  if (connections === undefined) throw new Error('there are no connections');
  return { connections, partBytes: PART_BYTES, ...(idleMs !== undefined && { idleMs }) };
}

function locationOf(key: string) {
  return { connection: 'lake', bucket, key };
}

const never = () => new AbortController().signal;

async function all(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

function sinkOf(key: string, changes: Partial<S3Sink> = {}): S3Sink {
  return { kind: 's3', connection: 'lake', bucket, key, ...changes };
}

function write(sink: S3Sink, output: RunOutput, context = contextOf()) {
  return writeS3Sink(sink, deps(), output, context);
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

describe('an object that is read', () => {
  it('comes as it is stored, with its key and type', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefg');
    await s3.put(bucket, 'users/2026-11-20.csv.gz', body);
    const object = await openS3Object(locationOf('users/2026-11-20.csv.gz'), deps(), never());
    expect(object.key).toBe('users/2026-11-20.csv.gz');
    expect((await all(object.bytes)).equals(body)).toBe(true);
  });

  it('may be empty', async () => {
    await s3.put(bucket, 'none.ndjson', '');
    expect(await all((await openS3Object(locationOf('none.ndjson'), deps(), never())).bytes)).toHaveLength(0);
    const reader = await openS3Reader(locationOf('none.ndjson'), deps(), never());
    expect(reader.byteLength).toBe(0);
    expect((await reader.slice(0)).byteLength).toBe(0);
  });

  it('is read by ranges', async () => {
    await s3.put(bucket, 'users.parquet', '0123456789');
    const reader = await openS3Reader(locationOf('users.parquet'), deps(), never());
    const text = async (start: number, end?: number) =>
      Buffer.from(await reader.slice(start, end)).toString();
    expect(reader.byteLength).toBe(10);
    expect(await text(2, 5)).toBe('234');
    expect(await text(7)).toBe('789');
    expect(await text(7, 100)).toBe('789');
    expect(await text(4, 4)).toBe('');
  });

  it('is not read by ranges when it is replaced meanwhile', async () => {
    await s3.put(bucket, 'users.parquet', '0123456789');
    const reader = await openS3Reader(locationOf('users.parquet'), deps(), never());
    await s3.put(bucket, 'users.parquet', '9876543210');
    await expect(reader.slice(2, 5)).rejects.toMatchObject({ code: 'source_unreadable', isTransient: true });
  });

  it('is not held: reading stops where the reader does', async () => {
    await s3.put(bucket, 'large', Buffer.alloc(20_000_000));
    const { bytes } = await openS3Object(locationOf('large'), deps(), never());
    let taken = 0;
    for await (const piece of bytes) {
      taken += piece.length;
      break;
    }
    expect(taken).toBeLessThan(1_000_000);
  });
});

describe('an object that cannot be read', () => {
  it.each([openS3Object, openS3Reader])('is not there: $name', async (open) => {
    await expect(open(locationOf('users/none.csv'), deps(), never())).rejects.toMatchObject({
      code: 'source_not_found',
      isTransient: false,
      message: `there is no object "users/none.csv" in the bucket "${bucket}" of "lake"`,
    });
  });

  it('is in no bucket', async () => {
    const location = { ...locationOf('a'), bucket: 'no-such-bucket' };
    await expect(openS3Object(location, deps(), never())).rejects.toMatchObject({ code: 'source_not_found' });
  });

  it.each([openS3Object, openS3Reader])(
    'is not ours, by a signature that does not hold: $name',
    async (open) => {
      await s3.put(bucket, 'a', 'a');
      const others = new Connections({ lake: { ...s3.connection, secret_access_key: 'hunter2' } });
      const error = await open(locationOf('a'), { connections: others }, never()).catch(
        (error: unknown) => error,
      );
      expect(error).toMatchObject({ code: 'source_not_allowed', isTransient: false });
      expect((error as Error).message).not.toContain('hunter2');
      await others.close();
    },
  );
});

describe('a server that', () => {
  async function serving(
    answer: (response: ServerResponse) => void,
  ): Promise<{ server: Server; others: Connections }> {
    const server = createServer((request, response) => {
      request.resume();
      answer(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { server, others: new Connections({ lake: { ...s3.connection, endpoint } }) };
  }

  async function readFrom(answer: (response: ServerResponse) => void, signal = never()): Promise<unknown> {
    const { server, others } = await serving(answer);
    try {
      const { bytes } = await openS3Object(locationOf('a'), { connections: others, idleMs: 100 }, signal);
      return await all(bytes);
    } catch (error) {
      return error;
    } finally {
      await others.close();
      server.closeAllConnections();
      server.close();
    }
  }

  it('falls silent', async () => {
    const error = await readFrom((response) =>
      response.writeHead(200, { 'content-length': '10' }).write('abc'),
    );
    expect(error).toMatchObject({ code: 'source_unreadable', isTransient: true });
    expect((error as Error).message).toContain('nothing came for 100 ms');
  });

  it('breaks off', async () => {
    const error = await readFrom((response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('abc', () => response.destroy());
    });
    expect(error).toMatchObject({ code: 'source_unreadable', isTransient: true });
  });

  it('is in trouble', async () => {
    const error = await readFrom((response) => response.writeHead(503).end());
    expect(error).toMatchObject({ code: 'source_unreadable', isTransient: true });
  });

  it('is in the middle when the run is cancelled', async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const error = await readFrom((response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('abc', () => abort.abort(reason));
    }, abort.signal);
    expect(error).toBe(reason);
  });
});

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
    await write(sinkOf('c'), output);
    expect(formats).toEqual([
      ['csv', 'all'],
      ['ndjson', 'default'],
      ['ndjson', 'default'],
    ]);
    expect(await s3.text(bucket, 'c')).toBe('');
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

  it('leave the uploads of objects whose keys only begin alike', async () => {
    const job = { connections: { lake: s3.connection }, rows: 300_000, partBytes: PART_BYTES };
    await killSinkBefore('fence:1', { ...job, sink: { ...sinkOf('a.ndjson.2') } });
    expect(await s3.uploadsIn(bucket)).toEqual(['a.ndjson.2']);
    await write(sinkOf('a.ndjson'), outputOf(rows));
    expect(await s3.uploadsIn(bucket)).toEqual(['a.ndjson.2']);
  });
});
