/** Many CSV tables become one, wherever the bytes are cut. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinCsv } from '../dist/sources/csv-join.js';
import { textOf } from './reading.js';

const HEADER = 'id,"a ""b"""';

const field = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,5}$/),
  fc.stringMatching(/^[a-z,"\n\r]{0,5}$/).map((text) => `"${text.replaceAll('"', '""')}"`),
);
const record = fc.tuple(field, field).map(([id, text]) => `${id},${text}`);
const table = fc.record({
  records: fc.array(record, { maxLength: 5 }),
  isEnded: fc.boolean(),
  cuts: fc.array(fc.nat(60), { maxLength: 6 }),
});

it('holds the records of all tables in order, each on a line of its own', () =>
  fc.assert(
    fc.asyncProperty(fc.array(table, { minLength: 2, maxLength: 5 }), async (tables) => {
      const files = tables.map(({ records, isEnded, cuts }, index) => {
        const text = [HEADER, ...records].join('\n') + (isEnded ? '\n' : '');
        return { name: `${index}.csv`, bytes: inPieces(Buffer.from(text), cuts) };
      });
      const all = tables.flatMap(({ records }) => records);
      expect(await textOf(joinCsv(files))).toBe([HEADER, ...all, ''].join('\n'));
    }),
    { numRuns: 300 },
  ));

async function* inPieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(from, Math.max(from, cut));
    from = Math.max(from, Math.min(cut, bytes.length));
  }
  yield bytes.subarray(from);
}
