/** Format only: the lines that the platform delivers, made from labels. */

/** Rows of a piece of lines, as many as a chunk of a fast model has. */
const PIECE_ROWS = 16_384;

/** @param classes as they are printed, in JSON @returns lines of NDJSON, in pieces */
export function formatLines(labels: Int32Array, classes: readonly string[], firstRow: number): Uint8Array[] {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < labels.length; start += PIECE_ROWS) {
    let lines = '';
    const end = Math.min(start + PIECE_ROWS, labels.length);
    for (let at = start; at < end; at++) {
      lines += `{"row":${firstRow + at},"prediction":${classes[labels[at] as number]}}\n`;
    }
    pieces.push(encoder.encode(lines));
  }
  return pieces;
}
