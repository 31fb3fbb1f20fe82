import { parseRedisUrl, RedisUrl } from '@millrace/queue/redis-url';
import { describe, expect, it } from 'vitest';

describe('REDIS_URL', () => {
  it('is a server on this machine by default', () => {
    expect(RedisUrl.parse(undefined)).toBe('redis://127.0.0.1:6379');
  });

  it.each(['redis://redis.example', 'rediss://user:secret@redis.example:6380/1', 'redis://[::1]:6379'])(
    'names one server: %s',
    (url) => {
      expect(parseRedisUrl(url)).toEqual({ kind: 'server', url });
    },
  );

  it('names a master by its Sentinels', () => {
    expect(parseRedisUrl('redis+sentinel://a.example,b.example:5000/queue-1')).toEqual({
      kind: 'sentinel',
      hosts: [
        { host: 'a.example', port: 26_379 },
        { host: 'b.example', port: 5_000 },
      ],
      isTls: false,
      master: 'queue-1',
      database: 0,
      credentials: {},
      sentinelCredentials: {},
    });
  });

  it('says who connects to the master, who to the Sentinels, and to which database', () => {
    const url =
      'rediss+sentinel://app:p%40ss%2Fword@[::1]:26380/m?db=3&sentinel_username=watch&sentinel_password=a+b%26c';
    expect(parseRedisUrl(url)).toEqual({
      kind: 'sentinel',
      hosts: [{ host: '::1', port: 26_380 }],
      isTls: true,
      master: 'm',
      database: 3,
      credentials: { username: 'app', password: 'p@ss/word' },
      sentinelCredentials: { username: 'watch', password: 'a+b&c' },
    });
  });

  it('names a cluster by some of its nodes', () => {
    expect(parseRedisUrl('rediss+cluster://:secret@10.0.0.1,10.0.0.2:7000/')).toEqual({
      kind: 'cluster',
      hosts: [
        { host: '10.0.0.1', port: 6_379 },
        { host: '10.0.0.2', port: 7_000 },
      ],
      isTls: true,
      credentials: { password: 'secret' },
    });
  });

  const SCHEMES = 'must be a redis://, rediss://, redis+sentinel:// or redis+cluster:// URL';
  const HOSTS = 'must have hosts of the form host or host:port, separated by commas';
  const MASTER =
    'must name the master that the Sentinels watch: redis+sentinel://host:port,host:port/<master>';
  const CLUSTER = 'a cluster takes nothing after its hosts: it has no database but 0';
  const ENCODED = 'must have its user and password percent-encoded';
  it.each([
    ['redis', SCHEMES],
    ['http://redis', SCHEMES],
    ['redis+sentry://a/m', SCHEMES],
    ['redis+cluster://', HOSTS],
    ['redis+cluster://a,,b', HOSTS],
    ['redis+cluster://a:port', HOSTS],
    ['redis+cluster://a:70000', HOSTS],
    ['redis+cluster://a:0', HOSTS],
    ['redis+cluster://::1', HOSTS],
    ['redis+cluster://user:p@ss@a', HOSTS],
    ['redis+cluster://a/1', CLUSTER],
    ['redis+cluster://a?db=1', CLUSTER],
    ['redis+cluster://u:50%@a', ENCODED],
    ['redis+sentinel://a', MASTER],
    ['redis+sentinel://a/', MASTER],
    ['redis+sentinel://a/m/1', MASTER],
    ['redis+sentinel://a/m?db=one', 'must have a whole number as db'],
    [
      'redis+sentinel://a/m?password=x',
      'has a parameter "password", which is none of db, sentinel_username, sentinel_password',
    ],
  ])('is not %s', (url, message) => {
    expect(RedisUrl.safeParse(url).error?.issues.map((issue) => issue.message)).toEqual([message]);
  });
});
