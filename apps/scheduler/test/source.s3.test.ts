import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { useS3 } from '../../../test/fixtures/s3-server.js';
import { Connections } from '../src/connections/connections.js';
import { openS3Object, openS3Reader } from '../src/sources/s3.js';

const s3 = useS3();
let connections: Connections | undefined;
let bucket: string;
beforeEach(async () => {
  connections ??= new Connections({ lake: s3.connection });
  bucket = await s3.freshBucket();
});
afterAll(() => connections?.close());

function deps() {
  if (connections === undefined) throw new Error('there are no connections');
  return { connections };
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

  async function readFrom(
    answer: (response: ServerResponse) => void,
    signal = never(),
    idleMs = 100,
  ): Promise<unknown> {
    const { server, others } = await serving(answer);
    try {
      const { bytes } = await openS3Object(locationOf('a'), { connections: others, idleMs }, signal);
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
    const error = await readFrom(
      (response) => {
        response.writeHead(200, { 'content-length': '10' });
        response.write('abc', () => abort.abort(reason));
      },
      abort.signal,
      60_000,
    );
    expect(error).toBe(reason);
  });
});
