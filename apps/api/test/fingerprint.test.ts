import { describe, expect, it } from 'vitest';
import { Fingerprint } from '../dist/submit/fingerprint.js';

type Head = ConstructorParameters<typeof Fingerprint>;

function digest(head: Head, ...pieces: string[]): string {
  const fingerprint = new Fingerprint(...head);
  for (const piece of pieces) fingerprint.update(Buffer.from(piece));
  return fingerprint.digest();
}

const HEAD: Head = ['ndjson', { model: 'iris', on_invalid: 'report' }];
const FIRST = digest(HEAD, '[1]\n[2]\n');

describe('a fingerprint', () => {
  it.each<[string, Head, string[]]>([
    ['however the body is cut', HEAD, ['[1', ']\n', '', '[2]\n']],
    [
      'in whichever order the parameters come',
      ['ndjson', { on_invalid: 'report', model: 'iris' }],
      ['[1]\n[2]\n'],
    ],
    [
      'when a parameter is not given',
      ['ndjson', { model: 'iris', on_invalid: 'report', more: undefined }],
      ['[1]\n[2]\n'],
    ],
  ])('is the same %s', (_name, head, pieces) => {
    expect(digest(head, ...pieces)).toBe(FIRST);
  });

  it.each<[string, Head, string[]]>([
    ['rows in another order', HEAD, ['[2]\n[1]\n']],
    ['another format', ['csv', { model: 'iris', on_invalid: 'report' }], ['[1]\n[2]\n']],
    ['a parameter less', ['ndjson', { model: 'iris' }], ['[1]\n[2]\n']],
    ['another value', ['ndjson', { model: 'iris@1', on_invalid: 'report' }], ['[1]\n[2]\n']],
    ['the value of another parameter', ['ndjson', { model: 'report', on_invalid: 'iris' }], ['[1]\n[2]\n']],
    [
      'a body that spells the head',
      ['ndjson', {}],
      ['["ndjson",[["model","iris"],["on_invalid","report"]]]\n[1]\n[2]\n'],
    ],
  ])('differs for %s', (_name, head, pieces) => {
    expect(digest(head, ...pieces)).not.toBe(FIRST);
  });
});
