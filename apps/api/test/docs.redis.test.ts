import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@millrace/process/logger';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ApiKeys, createKey, writeKeyFile } from '../dist/auth/api-keys.js';
import { type Harness, startHarness } from './harness.js';

const redis = useRedis();
const folder = mkdtempSync(join(tmpdir(), 'millrace-keys-'));
const { key, entry } = createKey('acme', new Date());
let open: Harness;
let closed: Harness;

beforeAll(async () => {
  const path = join(folder, 'keys.json');
  await writeKeyFile(path, { keys: [entry] });
  const log = createLogger({ service: 'api', level: 'error', format: 'json' });
  open = await startHarness(redis.url, redis.freshKeys());
  closed = await startHarness(redis.url, redis.freshKeys(), await ApiKeys.open(path, log));
});
afterAll(async () => {
  await Promise.all([open.stop(), closed.stop()]);
  rmSync(folder, { recursive: true });
});

/** The files that the page names. */
function filesOf(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
}

describe('/docs', () => {
  it('names only files of its own, all of which are there and never change', async () => {
    const { text, headers } = await request(open.app).get('/docs').expect(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-cache');
    const files = filesOf(text);
    expect(files.map((path) => path.split('/').at(-1)).sort()).toEqual([
      'browser.js',
      'favicon-32x32.png',
      'swagger-ui-bundle.js',
      'swagger-ui.css',
    ]);
    const types = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', png: 'image/png' };
    for (const path of files) {
      const answer = await request(open.app).get(path).expect(200);
      expect(path).toMatch(/^\/docs\/[0-9a-f]{16}\//);
      expect(answer.headers['content-type']).toBe(types[path.split('.').at(-1) as keyof typeof types]);
      expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(500);
    }
  });

  it('lets the browser load and ask nothing but this origin', async () => {
    const { headers, text } = await request(open.app).get('/docs').expect(200);
    const policy = Object.fromEntries(
      (headers['content-security-policy'] ?? '').split('; ').map((rule) => {
        const [name, ...sources] = rule.split(' ');
        return [name, sources.join(' ')];
      }),
    );
    expect(policy).toMatchObject({
      'default-src': "'none'",
      'script-src': "'self'",
      'connect-src': "'self'",
    });
    expect(policy['frame-ancestors']).toBe("'none'");
    const [, style = ''] = /<style>([\s\S]*)<\/style>/.exec(text) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    expect(policy['style-src']).toBe(`'self' 'sha256-${hash}'`);
    expect(text).not.toMatch(/<script(?![^>]* src=)/);
  });

  it('has nothing else: not another release, not another file of the library', async () => {
    const { text } = await request(open.app).get('/docs');
    const [path] = filesOf(text) as [string];
    const base = path.slice(0, path.lastIndexOf('/'));
    for (const other of [
      '/docs/0000000000000000/swagger-ui.css',
      `${base}/index.html`,
      `${base}/swagger-ui-bundle.js.map`,
      `${base}/..%2fpackage.json`,
      `${base}/constructor`,
      `${base}/page.js`,
    ]) {
      const { body } = await request(open.app).get(other).expect(404);
      expect(body.code, other).toBe('not_found');
    }
  });

  it('takes only GET', async () => {
    const { headers, body } = await request(open.app).post('/docs').expect(405);
    expect([headers.allow, body.code]).toEqual(['GET', 'method_not_allowed']);
  });
});

describe('where keys are needed', () => {
  it('the page and its files are open and the same for everybody, and name no model', async () => {
    const { text } = await request(closed.app).get('/docs').expect(200);
    expect(text).toBe((await request(open.app).get('/docs')).text);
    expect(text).not.toContain('iris');
    for (const path of filesOf(text)) await request(closed.app).get(path).expect(200);
  });

  it('the document, which names models, is not', async () => {
    const { body, text } = await request(closed.app).get('/openapi.json').expect(401);
    expect(body.code).toBe('unauthorized');
    expect(text).not.toContain('iris');
    const answer = await request(closed.app).get('/openapi.json').auth(key, { type: 'bearer' }).expect(200);
    expect(answer.text).toContain('iris.v1.Row');
    expect(answer.headers['cache-control']).toBe('private, no-cache');
  });

  it('the page hands the key over under the name that the document has for it', async () => {
    const { body } = await request(closed.app).get('/openapi.json').auth(key, { type: 'bearer' });
    const { text } = await request(closed.app).get('/docs');
    const script = filesOf(text).find((path) => path.endsWith('/browser.js')) as string;
    const [, scheme] = /SCHEME = '(\w+)'/.exec((await request(closed.app).get(script)).text) ?? [];
    expect(body.components.securitySchemes[scheme as string]).toMatchObject({
      type: 'http',
      scheme: 'bearer',
    });
  });
});
