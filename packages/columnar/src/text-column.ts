/** A column of texts, of which those that are undefined are null. */

import { bitsOf } from './bits.js';
import type { TextColumn } from './column.js';

const UTF8 = new TextEncoder();

export function textColumn(texts: readonly (string | undefined)[]): TextColumn {
  const { length } = texts;
  const offsets = new Int32Array(length + 1);
  // As many bytes as UTF-8 takes at the most for a UTF-16 unit.
  const bytes = new Uint8Array(3 * texts.reduce((sum, text) => sum + (text?.length ?? 0), 0));
  let isWhole = true;
  for (let at = 0; at < length; at++) {
    const start = offsets[at] as number;
    const text = texts[at];
    if (text === undefined) isWhole = false;
    offsets[at + 1] = start + (text ? UTF8.encodeInto(text, bytes.subarray(start)).written : 0);
  }
  const column: TextColumn = { kind: 'utf8', length, offsets, bytes: bytes.subarray(0, offsets[length]) };
  return isWhole ? column : { ...column, valid: bitsOf(length, (row) => texts[row] !== undefined) };
}
