/** A bit for each row, the lowest first. */
export function bitsOf(rows: number, isSet: (row: number) => boolean): Uint8Array {
  const bits = new Uint8Array((rows + 7) >>> 3);
  for (let row = 0; row < rows; row++) {
    if (isSet(row)) setBit(bits, row);
  }
  return bits;
}

export function setBit(bits: Uint8Array, row: number): void {
  bits[row >>> 3] = (bits[row >>> 3] as number) | (1 << (row & 7));
}
