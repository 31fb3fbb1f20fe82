/** Spoils what was good: values by wrong types and bounds, texts and bytes by cuts and junk. */
import { gzipSync } from 'node:zlib';
import type { Json } from './document.js';
import type { Random } from './random.js';

const DEEP = 100;
const MANY = 70_000;
/** In one body. */
const LONG_NUMBERS = 100;

/** Values that are hardly ever right, as JSON text, since JSON spells more than JavaScript holds. */
const JUNK_VALUES = [
  'null',
  'true',
  '"text"',
  '""',
  '-1',
  '1e999',
  '-1e400',
  '0.1e-999',
  '9007199254740993',
  '123456789012345678901234567890',
  '9'.repeat(MANY),
  `0.${'3'.repeat(MANY)}`,
  '[]',
  '{}',
  '[[]]',
  '{"__proto__":1}',
  '"\\u0000"',
  '"\\ud800"',
  `"${'x'.repeat(MANY)}"`,
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  '{"a":'.repeat(DEEP) + '1'.padEnd(DEEP + 1, '}'),
];

/** Texts for parameters, headers, ids and paths; no control characters, which no client can send in these places. */
export const JUNK_TEXTS = [
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  '00000000-0000-4000-8000-000000000000',
  'null',
  'undefined',
  'constructor',
  '__proto__',
  'iris@',
  '@1',
  'iris@999',
  'iris@0',
  '../../etc/passwd',
  '..%2f..%2fetc',
  '%',
  '%zz',
  '%00',
  '%E0%A4%A',
  '%ff%fe',
  'é😀',
  '"',
  "'",
  ';',
  ',',
  'a,b;c="d"',
  '*',
  '9'.repeat(40),
  'x'.repeat(3000),
  '{}',
  '[1]',
  '<script>',
  '3.120',
  '999999999.999999999',
  'true',
];

/** The JSON text of a value with another one in some place within it. */
export function spoilValue(random: Random, value: Json): string {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return random.pick(JUNK_VALUES);
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    const texts = value.map((each, index) =>
      index === at ? spoilValue(random, each) : JSON.stringify(each),
    );
    if (at === value.length || random.chance(0.1)) texts.push(random.pick(JUNK_VALUES));
    return `[${texts.join(',')}]`;
  }
  const members = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}:${JSON.stringify(each)}`,
  );
  const [at, name] = [random.below(members.length + 1), random.pick(Object.keys(value).concat('more'))];
  const junk = random.pick(JUNK_VALUES);
  if (random.chance(0.2)) members.splice(at, 1);
  else if (random.chance(0.3)) members.push(`${JSON.stringify(name)}:${junk}`);
  else members[at] = `${JSON.stringify(name)}:${spoilValue(random, value[name] ?? null)}`;
  return `{${members.join(',')}}`;
}

/** Bytes with a part of them changed. */
export function spoilBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  const text = bytes.toString();
  return random.pick<() => Buffer>([
    () => before,
    () => after,
    () => Buffer.alloc(0),
    () => Buffer.concat([before, random.bytes(1 + random.below(8)), after]),
    () => Buffer.concat([before, after.subarray(1)]),
    () => Buffer.concat([before, before, after]),
    () => random.bytes(random.below(200)),
    () => Buffer.from(text, 'utf16le'),
    () => Buffer.from(`\uFEFF${text}`),
    () => Buffer.from(text.replaceAll('\n', '\r')),
    () =>
      Buffer.from(
        text.replaceAll(/["\d]/g, (each) => (random.chance(0.1) ? random.pick(['"', '', '\\', ',']) : each)),
      ),
    () => Buffer.from(withLongNumbers(random, text)),
    () => Buffer.from('['.repeat(MANY)),
    () => Buffer.from(`${'a,'.repeat(MANY / 2)}\n`),
    () => Buffer.from('\n'.repeat(MANY)),
    () => Buffer.from(`${text}\n"${'x\n'.repeat(200)}`),
    () => Buffer.concat(Array(50).fill(bytes)),
  ])();
}

/** With a tenth of its numbers very long; of a large text fewer, since it would be longer than a text may be. */
function withLongNumbers(random: Random, text: string): string {
  const share = Math.min(0.1, LONG_NUMBERS / (text.match(/\d+/g)?.length ?? 1));
  return text.replaceAll(/\d+/g, (each) => (random.chance(share) ? '9'.repeat(MANY) : each));
}

/** Inflates to far more than it may. */
const BOMB = gzipSync(Buffer.alloc(20 * 1024 * 1024, '\n'));

/** Content-Encoding, and bytes that have it, or only claim to. */
export function encode(random: Random, bytes: Buffer): { encoding: string; bytes: Buffer } {
  const zipped = gzipSync(bytes, { level: 1 });
  const encoding = random.pick([
    ...Array(5).fill('gzip'),
    'GZIP',
    'x-gzip',
    'identity',
    'br',
    'gzip, gzip',
    '',
  ]);
  const encoded = random.pick<() => Buffer>([
    () => zipped,
    () => bytes,
    () => zipped.subarray(0, random.below(zipped.length)),
    () => Buffer.concat([zipped, zipped]),
    () => Buffer.concat([zipped, random.bytes(10)]),
    () => gzipSync(zipped),
    () => BOMB,
    () => spoilBytes(random, zipped),
  ])();
  return { encoding, bytes: encoded };
}
