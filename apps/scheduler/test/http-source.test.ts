/** HTTP as a source: what may be read, what the server's answers come to, and that nothing is waited for without a bound. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { useServers } from '../../../test/fixtures/http-server.js';
import { openHttpSource } from '../dist/sources/http.js';
import { HTTP_BOUNDS, type HttpBounds } from '../dist/sources/http-get.js';
import { read, sourceContext } from './reading.js';

const ROWS = '{"a":1}\n{"a":2}\n';
const PARQUET = readFileSync(new URL('parquet/snappy.parquet', import.meta.url));

interface Connection {
  url: string;
  headers?: Record<string, string>;
}

function open(
  url: string,
  connections: Connection[],
  bounds: Partial<HttpBounds> = {},
  run?: AbortController,
) {
  const deps = { connections: { ofKind: () => connections }, bounds: { ...HTTP_BOUNDS, ...bounds } };
  return openHttpSource({ kind: 'http', url }, deps, sourceContext(run));
}

describe('an HTTP source', () => {
  const start = useServers();

  it('is read with the headers of its connection', async () => {
    const { url, requests } = await start((_, response) => response.end(ROWS));
    const connections = [
      { url: `${url}/`, headers: { authorization: 'Bearer outer' } },
      { url: `${url}/features`, headers: { authorization: 'Bearer inner' } },
    ];
    const rows = await read(open(`${url}/features/users.ndjson?day=2026-11-20`, connections));
    expect(rows).toEqual({ format: 'ndjson', text: ROWS });
    expect(requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/features/users.ndjson?day=2026-11-20', 'Bearer inner'],
    ]);
  });

  it.each([
    '/featuresX/users.csv',
    '/users.csv',
    '/features/../users.csv',
    '/features/%2e%2e/users.csv',
    '/features/..%2fusers.csv',
    '/features/%2E%2E%5cusers.csv',
    '/features/..;/users.csv',
    '/features/%2e%2e;a=b/users.csv',
    '/features/a%2f..;/..;/users.csv',
    '/features/%252e%252e%252fusers.csv',
  ])('is refused at %s, which is not below the connection', async (path) => {
    const { url, requests } = await start((_, response) => response.end('id\n1\n'));
    await expect(open(`${url}${path}`, [{ url: `${url}/features` }])).rejects.toMatchObject({
      code: 'source_not_allowed',
      isTransient: false,
    });
    expect(requests).toEqual([]);
  });

  it('is refused on another port, scheme, or as another user, and when it is no URL of the web', async () => {
    const { url } = await start((_, response) => response.end(ROWS));
    const { port } = new URL(url);
    for (const other of [
      `http://127.0.0.1:1/users.csv`,
      `https://127.0.0.1:${port}/users.csv`,
      `http://user@127.0.0.1:${port}/users.csv`,
      'file:///etc/passwd',
      'users.csv',
    ]) {
      await expect(open(other, [{ url }])).rejects.toMatchObject({ code: 'source_not_allowed' });
    }
  });

  it('follows redirects within what is allowed, with each connection’s own headers', async () => {
    const other = await start((_, response) => response.end(ROWS));
    const first = await start((request, response) =>
      redirect(response, request.url === '/a.ndjson' ? 'b.ndjson' : `${other.url}/store/c.ndjson`),
    );
    const connections = [
      { url: first.url, headers: { 'x-key': 'first' } },
      { url: `${other.url}/store/`, headers: { 'x-other': 'second' } },
    ];
    expect((await read(open(`${first.url}/a.ndjson`, connections))).text).toBe(ROWS);
    expect(first.requests.map(({ url }) => url)).toEqual(['/a.ndjson', '/b.ndjson']);
    expect(other.requests[0]?.headers).not.toHaveProperty('x-key');
    expect(other.requests[0]?.headers).toMatchObject({ 'x-other': 'second' });
  });

  it('does not follow a redirect out of what is allowed, nor for ever', async () => {
    const other = await start((_, response) => response.end(ROWS));
    const first = await start((_, response) => redirect(response, other.url));
    await expect(open(`${first.url}/a.csv`, [{ url: first.url }])).rejects.toMatchObject({
      code: 'source_not_allowed',
      message: expect.stringContaining(other.url),
    });
    expect(other.requests).toEqual([]);
    const circle = await start((_, response) => redirect(response, '/a.csv'));
    await expect(open(`${circle.url}/a.csv`, [{ url: circle.url }])).rejects.toThrow('more than 5 times');
  });

  it.each([
    [404, 'source_not_found', false],
    [410, 'source_not_found', false],
    [401, 'source_unreadable', false],
    [403, 'source_unreadable', false],
    [408, 'source_unreadable', true],
    [429, 'source_unreadable', true],
    [500, 'source_unreadable', true],
    [503, 'source_unreadable', true],
    [204, 'source_unreadable', false],
    [206, 'source_unreadable', false],
  ])('that answers %i is %s', async (status, code, isTransient) => {
    const { url } = await start((_, response) =>
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(),
    );
    await expect(open(`${url}/a.csv?key=secret`, [{ url }])).rejects.toMatchObject({ code, isTransient });
    await expect(open(`${url}/a.csv?key=secret`, [{ url }])).rejects.toThrow(
      new RegExp(`^${url}/a.csv answered ${status} .*\\(application/problem\\+json\\)$`),
    );
  });

  it('takes the format from the content type where the URL has none, and no pages', async () => {
    const types: Record<string, string> = {
      '/csv': 'text/csv; charset=utf-8',
      '/page.csv': 'text/html; charset=utf-8',
    };
    const { url } = await start((request, response) =>
      response.writeHead(200, { 'content-type': types[request.url ?? ''] ?? 'text/plain' }).end('id\n1\n'),
    );
    expect(await read(open(`${url}/csv`, [{ url }]))).toEqual({ format: 'csv', text: 'id\n1\n' });
    await expect(open(`${url}/page.csv`, [{ url }])).rejects.toThrow('a page (text/html; charset=utf-8)');
    await expect(open(`${url}/other`, [{ url }])).rejects.toThrow('nor does the content type text/plain');
  });

  it.each([{}, { 'content-encoding': 'gzip' }])(
    'inflates a gzip file that comes with %j',
    async (headers) => {
      const { url } = await start((_, response) => response.writeHead(200, headers).end(gzipSync(ROWS)));
      expect((await read(open(`${url}/users.ndjson.gz`, [{ url }]))).text).toBe(ROWS);
    },
  );

  it('fails when the answer breaks off', async () => {
    const { url } = await start((_, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write(ROWS, () => response.destroy());
    });
    await expect(read(open(`${url}/a.ndjson`, [{ url }]))).rejects.toMatchObject({
      code: 'source_unreadable',
      isTransient: true,
    });
  });

  it('fails with the system’s word when nobody listens', async () => {
    await expect(open('http://127.0.0.1:1/a.csv', [{ url: 'http://127.0.0.1:1' }])).rejects.toThrow(
      /^http:\/\/127.0.0.1:1\/a.csv cannot be read: (ECONNREFUSED|bad port)$/,
    );
  });

  it('waits neither for a head, nor for a body, nor for a slow whole without a bound', async () => {
    const silent = await start(() => {});
    await expect(open(`${silent.url}/a.csv`, [{ url: silent.url }], { answerMs: 50 })).rejects.toThrow(
      'has not answered within 50 ms',
    );
    const stalled = await start((_, response) => response.write('id\n'));
    await expect(read(open(`${stalled.url}/a.csv`, [{ url: stalled.url }], { idleMs: 50 }))).rejects.toThrow(
      'has sent nothing for 50 ms',
    );
    const slow = await start((_, response) => {
      const timer = setInterval(() => response.write('1\n'), 5);
      response.once('close', () => clearInterval(timer));
    });
    await expect(read(open(`${slow.url}/a.csv`, [{ url: slow.url }], { totalMs: 100 }))).rejects.toThrow(
      'has not ended its answer within 100 ms',
    );
  });

  it('is bounded in size', async () => {
    const { url } = await start((_, response) => response.end(ROWS));
    expect((await read(open(`${url}/a.ndjson`, [{ url }], { maxBytes: 16 }))).text).toBe(ROWS);
    await expect(read(open(`${url}/a.ndjson`, [{ url }], { maxBytes: 15 }))).rejects.toThrow(
      'more than 15 bytes',
    );
  });

  it('lets go of the connection when the run is cancelled', async () => {
    const answers: ServerResponse[] = [];
    const { url } = await start((_, response) => {
      answers.push(response);
      response.write('id\n');
    });
    const run = new AbortController();
    const reading = read(open(`${url}/a.csv`, [{ url }], {}, run));
    await expect.poll(() => answers.length).toBe(1);
    run.abort(new Error('cancelled'));
    await expect(reading).rejects.toThrow('cancelled');
    await expect.poll(() => answers[0]?.closed).toBe(true);
  });
});

describe('Parquet over HTTP', () => {
  const start = useServers();

  it('is read by ranges', async () => {
    const { url, requests } = await start(sendRanges(() => '"1"'));
    const { format, text } = await read(open(`${url}/a.parquet`, [{ url }]));
    expect(format).toBe('ndjson');
    expect(text.split('\n').length).toBe(1001);
    expect(requests[0]?.headers.range).toBeUndefined();
    expect(requests.length).toBeGreaterThan(2);
    expect(requests.slice(1).every(({ headers }) => /^bytes=\d+-\d+$/.test(headers.range ?? ''))).toBe(true);
  });

  it('is copied first where the server gives no ranges', async () => {
    const { url, requests } = await start((_, response) =>
      response.writeHead(200, { 'content-type': 'application/vnd.apache.parquet' }).end(PARQUET),
    );
    const { text } = await read(open(`${url}/export`, [{ url }]));
    expect(text.split('\n').length).toBe(1001);
    expect(requests.length).toBe(1);
    const bounds = { maxBytes: PARQUET.length - 1 };
    await expect(read(open(`${url}/export`, [{ url }], bounds))).rejects.toThrow('more than');
  });

  it('is not put together of two versions', async () => {
    let version = 0;
    const { url } = await start(sendRanges(() => `"${version++ < 2 ? 1 : 2}"`));
    await expect(read(open(`${url}/a.parquet`, [{ url }]))).rejects.toMatchObject({
      code: 'source_unreadable',
      isTransient: true,
      message: expect.stringContaining('has changed while it was read'),
    });
  });
});

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

function sendRanges(etag: () => string) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const headers = { 'accept-ranges': 'bytes', etag: etag() };
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) {
      response.writeHead(200, { ...headers, 'content-length': PARQUET.length }).end(PARQUET);
      return;
    }
    const [first, last] = [Number(range[1]), Number(range[2])];
    const contentRange = `bytes ${first}-${last}/${PARQUET.length}`;
    response
      .writeHead(206, { ...headers, 'content-range': contentRange })
      .end(PARQUET.subarray(first, last + 1));
  };
}
