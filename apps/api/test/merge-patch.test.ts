import { describe, expect, it } from 'vitest';
import { mergePatch } from '../dist/schedules/merge-patch.js';

describe('a merge patch', () => {
  // Of appendix A of RFC 7396, those of objects.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    [
      '{"a":1}',
      '{"__proto__":{"polluted":1},"constructor":2}',
      '{"a":1,"__proto__":{"polluted":1},"constructor":2}',
    ],
  ])('%s with %s is %s', (target, patch, merged) => {
    const [before, change] = [JSON.parse(target), JSON.parse(patch)];
    expect(JSON.stringify(mergePatch(before, change))).toBe(merged);
    expect([JSON.stringify(before), JSON.stringify(change)]).toEqual([target, patch]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
