import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { parseHeader } from '@millrace/batch/rows/csv';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyCase, manifestOfModel, type Sent } from './any-model.js';
import { utf8 } from './byte-pieces.js';
import { rowShape, valuesOf } from './row-values.js';

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** The CSV field of a value: texts stand for themselves, what is nested in JSON. */
const fieldOf = ({ text }: Sent) => quoted(text.startsWith('"') ? (JSON.parse(text) as string) : text);

it('the inputs hold the values that were sent, of any model, in every format', () => {
  fc.assert(
    fc.property(anyCase, ({ model, rows }) => {
      const manifest = manifestOfModel(model);
      const reader = new RowReader(manifest);
      const names = model.flatMap((input) => input.features.map(({ name }) => name));
      const json = rows.map(({ form, values }) => {
        const members = names.map((name, at) => `${JSON.stringify(name)}:${values[at]?.text}`);
        const texts = values.map(({ text }) => text).reverse();
        return form === 'object' ? `{${members.join(',')}}` : `[${texts.join(',')}]`;
      });
      const header = names.map(quoted).join(',');
      const records = rows.map(({ values }) => values.map(fieldOf).join(','));
      const source = { firstRow: 0, rows: rows.length };
      const chunks: DecodedChunk[] = [
        decodeChunk({ ...source, format: 'ndjson', bytes: utf8(json.join('\n')) }, reader),
        decodeChunk(
          {
            ...source,
            format: 'csv',
            bytes: utf8(records.map((record) => `${record}\r\n`).join('')),
            columns: parseHeader(utf8(header), manifest),
          },
          reader,
        ),
      ];
      for (const { inputs, errors, valid } of chunks) {
        expect(errors).toEqual([]);
        expect(valid).toEqual(Uint32Array.from(rows.keys()));
        rows.forEach(({ values }, row) => {
          let next = 0;
          model.forEach(({ features }, at) => {
            const own = values.slice(next, next + features.length);
            next += features.length;
            const input = inputs[at] as (typeof inputs)[number];
            const found = valuesOf(input, row).map((value) =>
              typeof value === 'number' ? value + 0 : value,
            );
            const held = own
              .flatMap((each) => each.held)
              .map((value) => (typeof value === 'number' ? value + 0 : value));
            expect(found).toEqual(held);
            if (features[0]?.isOpen) expect(rowShape(input, row)).toEqual(own[0]?.shape);
          });
        });
      }
    }),
    { numRuns: 300 },
  );
});
