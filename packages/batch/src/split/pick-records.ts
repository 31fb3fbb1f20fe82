/** Takes single records out of a chunk, in the bytes they came in. Parses nothing. */
import { isBlank, type LineFormat, recordBorders } from './record-borders.js';

/** @returns the records at these places, one after the other; blank lines have no place */
export function pickRecords(bytes: Uint8Array, format: LineFormat, places: ReadonlySet<number>): Uint8Array {
  const borders = recordBorders(format);
  const picked = new Uint8Array(bytes.length);
  let length = 0;
  let place = 0;
  for (let start = 0; start < bytes.length; ) {
    const end = borders.next(bytes, start);
    const stop = end === -1 ? bytes.length : end;
    if (!isBlank(bytes, start, stop)) {
      if (places.has(place)) {
        picked.set(bytes.subarray(start, stop), length);
        length += stop - start;
      }
      place++;
    }
    start = stop;
  }
  return picked.subarray(0, length);
}
