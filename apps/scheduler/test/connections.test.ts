import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Connections } from '../src/connections/connections.js';
import { readConnections } from '../src/connections/connections-file.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-connections-'));
const path = join(folder, 'connections.json');
afterAll(() => rmSync(folder, { recursive: true }));

const SECRET = 'hunter2';
const LAKE = {
  kind: 's3',
  endpoint: 'http://127.0.0.1:9000',
  region: 'us-east-1',
  access_key_id: 'AKIA',
  secret_access_key: SECRET,
};
const WAREHOUSE = { kind: 'postgresql', url: `postgresql://user:${SECRET}@host:5432/db` };
const ONCALL = {
  kind: 'webhook',
  url: 'https://example.org/',
  secret: `whsec_${Buffer.alloc(24).toString('base64')}`,
};

function read(content: unknown) {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readConnections(path);
}

describe('the file', () => {
  it('names connections of four kinds, with what may be left out', async () => {
    const features = {
      kind: 'http',
      url: 'https://features.internal/',
      headers: { authorization: `Bearer ${SECRET}` },
    };
    expect(await read({ lake: LAKE, warehouse: WAREHOUSE, features, oncall: ONCALL })).toEqual({
      lake: { ...LAKE, path_style: false },
      warehouse: { ...WAREHOUSE, statement_timeout: 600 },
      features,
      oncall: ONCALL,
    });
  });

  it.each([
    [{ lake: { ...LAKE, regoin: 'x' } }, 'lake: unknown key "regoin"; did you mean "region"?'],
    [
      { lake: { ...LAKE, endpoint: `ftp://${SECRET}` } },
      'lake.endpoint: must be a URL that begins with http:// or https://',
    ],
    [{ lake: { ...LAKE, secret_access_key: 5 } }, 'lake.secret_access_key: must be a secret access key'],
    [
      { lake: { ...LAKE, secret_access_key: '' } },
      'lake.secret_access_key: must be a secret access key, not empty',
    ],
    [{ lake: { ...LAKE, path_style: 'yes' } }, 'lake.path_style: must be true or false'],
    [{ lake: { ...LAKE, kind: 'S3' } }, 'lake.kind: must be one of s3, postgresql, http, webhook'],
    [{ lake: SECRET }, 'lake: must be an object with a kind'],
    [
      { warehouse: { ...WAREHOUSE, url: `mysql://u:${SECRET}@h/d` } },
      'warehouse.url: must be a URL that begins with postgresql:// or postgres://',
    ],
    [{ warehouse: { ...WAREHOUSE, url: `postgresql://u:${SECRET}@h:port` } }, 'warehouse.url: must be a URL'],
    [
      { warehouse: { ...WAREHOUSE, statement_timeout: 0 } },
      'warehouse.statement_timeout: must be at least 1 second',
    ],
    [
      { features: { kind: 'http', url: 'https://x/', headers: { a: `${SECRET}\n` } } },
      'features.headers.a: must be one line',
    ],
    [
      { features: { kind: 'http', url: 'https://x/', headers: { 'a b': SECRET } } },
      'must be the name of a header',
    ],
    [{ oncall: { ...ONCALL, secret: SECRET } }, 'oncall.secret: must be whsec_ and base64'],
    [
      { oncall: { ...ONCALL, secret: `whsec_${Buffer.from(SECRET).toString('base64')}` } },
      'oncall.secret: must be whsec_ and base64 of 24 to 64 bytes',
    ],
    [
      { oncall: { ...ONCALL, url: `https://us%zzer:${SECRET}@example.org/` } },
      'oncall.url: must have its user and password percent-encoded',
    ],
    [
      { warehouse: { ...WAREHOUSE, url: `postgresql://u:%${SECRET}@h/d` } },
      'warehouse.url: must have its user and password percent-encoded',
    ],
    [{ 'on call': ONCALL }, 'a name must be 1 to 63 letters'],
    [
      `{"lake": {"secret_access_key": "${SECRET}",\n  "region" "us-east-1"}}`,
      'is not JSON: line 2, column 12',
    ],
    [`{"lake": {"secret_access_key": ${SECRET}}}`, 'is not JSON'],
    [[LAKE], 'does not hold'],
  ])('%j', async (content, problem) => {
    const error = await read(content).catch((error: unknown) => error as Error);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain(problem);
    expect((error as Error).message).not.toContain(SECRET);
  });

  it('that is not there', async () => {
    await expect(readConnections(join(folder, 'none.json'))).rejects.toThrow(
      'CONNECTIONS_FILE cannot be read: ENOENT',
    );
  });
});

describe('a connection', () => {
  it.each([
    ['lak', 's3', 'there is no connection "lak"; did you mean "lake"?'],
    ['nothing', 's3', 'there is no connection "nothing"'],
    ['toString', 's3', 'there is no connection "toString"'],
    ['lake', 'postgresql', 'the connection "lake" is of kind s3, and this needs one of kind postgresql'],
  ] as const)('%s as %s', async (name, kind, message) => {
    const connections = new Connections(await read({ lake: LAKE, warehouse: WAREHOUSE }));
    expect(() => connections.get(name, kind)).toThrow(
      expect.objectContaining({ message, code: 'unknown_connection', isTransient: false }),
    );
  });

  it('has one client, until all are closed', async () => {
    const connections = new Connections(await read({ lake: LAKE, warehouse: WAREHOUSE }));
    const pool = connections.postgresql('warehouse');
    expect(connections.postgresql('warehouse')).toBe(pool);
    expect(connections.s3('lake')).toBe(connections.s3('lake'));
    expect(connections.ofKind('s3')).toHaveLength(1);
    await connections.close();
    expect(pool.ended).toBe(true);
  });
});
