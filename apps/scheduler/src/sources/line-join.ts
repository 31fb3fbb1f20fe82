/** Joins NDJSON files so that the last line of one does not run into the first of the next. */
import type { NamedBytes } from './source-file.js';

const LF = 0x0a;

export async function* joinLines(files: readonly NamedBytes[]): AsyncGenerator<Uint8Array> {
  let isOpen = false;
  for (const { bytes } of files) {
    if (isOpen) yield Uint8Array.of(LF);
    isOpen = false;
    for await (const piece of bytes) {
      yield piece;
      if (piece.length > 0) isOpen = piece.at(-1) !== LF;
    }
  }
}
