import { ConfigError, readConfig } from '@millrace/process/config';
import { flag, integer, PROCESS_SETTINGS } from '@millrace/process/env-types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ApiSettings } from '../../../apps/api/dist/config.js';
import { WorkerSettings } from '../../../apps/worker/dist/config.js';

const Settings = z.object({ ...PROCESS_SETTINGS, SIZE: integer(1, 10, 5), LOUD: flag() });

describe('settings', () => {
  it('have defaults, and take an empty variable for none', () => {
    const expected = {
      KEY_PREFIX: 'millrace',
      RESULT_TTL_SECONDS: 86_400,
      UPLOAD_LEASE_MS: 15_000,
      LOG_LEVEL: 'info',
      SIZE: 5,
      LOUD: false,
    };
    expect(readConfig(Settings, {})).toEqual(expected);
    expect(readConfig(Settings, { SIZE: '', LOUD: '' })).toEqual(expected);
  });

  it('are read from their variables', () => {
    const env = { KEY_PREFIX: 'blue', SIZE: '7', LOUD: '1' };
    expect(readConfig(Settings, env)).toMatchObject({ KEY_PREFIX: 'blue', SIZE: 7, LOUD: true });
  });

  it.each([
    ['SIZE', '0', 'must be at least 1'],
    ['SIZE', '11', 'must be at most 10'],
    ['SIZE', 'five', 'must be a whole number from 1 to 10'],
    ['SIZE', '5.5', 'must be a whole number from 1 to 10'],
    ['LOUD', 'yes', 'must be 0 or 1'],
    ['LOG_LEVEL', 'loud', 'must be error, warn, info or debug'],
    ['KEY_PREFIX', 'a b', 'must be 1 to 50 letters'],
  ])('name %s=%s and say what it must be', (name, value, message) => {
    const read = () => readConfig(Settings, { [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(`  ${name}=${value}: ${message}`);
  });

  it('name every one that does not hold', () => {
    expect(() => readConfig(Settings, { SIZE: '0', LOUD: '2' })).toThrow(/SIZE=0[\s\S]*LOUD=2/);
  });
});

it.each([ApiSettings, WorkerSettings])('both processes read REDIS_URL', (schema) => {
  const REDIS_URL = 'redis+sentinel://10.0.0.1,10.0.0.2/millrace';
  expect(readConfig(schema, { REDIS_URL })).toMatchObject({ REDIS_URL });
  expect(() => readConfig(schema, { REDIS_URL: 'redis+sentinel://10.0.0.1' })).toThrow(
    '  REDIS_URL=redis+sentinel://10.0.0.1: must name the master that the Sentinels watch',
  );
});

it('passwords of a URL that does not hold are not shown', () => {
  const REDIS_URL = 'redis+sentinel://app:p@ss@10.0.0.1?sentinel_password=secret&db=1';
  const read = () => readConfig(ApiSettings, { REDIS_URL });
  expect(read).toThrow('  REDIS_URL=redis+sentinel://app:***@10.0.0.1?sentinel_password=***&db=1: must');
});

describe('the API without keys', () => {
  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1'])('listens on %s', (HOST) => {
    expect(readConfig(ApiSettings, { HOST }).HOST).toBe(HOST);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'example.org', '127.0.0.1.example.org'])('refuses %s', (HOST) => {
    expect(() => readConfig(ApiSettings, { HOST })).toThrow(`HOST=${HOST}: without API keys anybody`);
  });

  it('listens anywhere when it has keys, or is told that it may', () => {
    expect(readConfig(ApiSettings, { HOST: '0.0.0.0', ALLOW_ANONYMOUS: '1' }).HOST).toBe('0.0.0.0');
    expect(readConfig(ApiSettings, { HOST: '0.0.0.0', API_KEYS_FILE: 'keys.json' }).HOST).toBe('0.0.0.0');
  });
});

it('the worker takes as many threads as the machine has cores, unless it is told', () => {
  expect(readConfig(WorkerSettings, {}).WORKER_THREADS).toBeGreaterThan(0);
  expect(readConfig(WorkerSettings, { WORKER_THREADS: '3' }).WORKER_THREADS).toBe(3);
  expect(() => readConfig(WorkerSettings, { WORKER_THREADS: '0' })).toThrow('WORKER_THREADS=0');
});

describe('any environment', () => {
  const anyValue = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '0',
      '1',
      '5',
      '1e3',
      '-1',
      '0x10',
      ' 7',
      'redis://h',
      'rediss://u:p@h:1/2',
      'json',
      'info',
    ),
  );

  it.each([
    ['the API', ApiSettings],
    ['a worker', WorkerSettings],
  ])('holds settings for %s, or names each that does not hold', (_, schema) => {
    const names = Object.keys(schema.shape);
    const anyEnv = fc.dictionary(fc.constantFrom(...names, 'PATH', '__proto__'), anyValue);
    fc.assert(
      fc.property(anyEnv, (env) => {
        try {
          expect(Object.keys(readConfig(schema, env))).toEqual(
            expect.arrayContaining(['REDIS_URL', 'KEY_PREFIX']),
          );
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          for (const line of (error as Error).message.split('\n  ').slice(1)) {
            expect(names).toContain(/^\w+/.exec(line)?.[0]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('spells each whole number within its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: -3, max: 14 }), (size) => {
        const read = () => readConfig(Settings, { SIZE: String(size) }).SIZE;
        if (size >= 1 && size <= 10) expect(read()).toBe(size);
        else expect(read).toThrow(ConfigError);
      }),
    );
  });
});
