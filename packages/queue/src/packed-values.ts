/**
 * Many values as one piece of bytes, as they pass through scripts and between threads: for each its length in bytes (uint32,
 * little-endian), and the value; for one that is not there the length 2^32 - 1 and nothing.
 */
const LENGTH_BYTES = 4;
const ABSENT = 2 ** 32 - 1;

/** How long a value will be when it is packed, in bytes. */
export function packedLength(value: Uint8Array): number {
  return LENGTH_BYTES + value.length;
}

export function packValues(values: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(values.reduce((sum, value) => sum + packedLength(value), 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const value of values) {
    view.setUint32(at, value.length, true);
    packed.set(value, at + LENGTH_BYTES);
    at += packedLength(value);
  }
  return packed;
}

/**
 * The values without a copy, undefined for each that is not there.
 * @throws RangeError when the bytes end within a length
 */
export function unpackValues(packed: Uint8Array): (Uint8Array | undefined)[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const values: (Uint8Array | undefined)[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = view.getUint32(at, true);
    at += LENGTH_BYTES;
    if (length === ABSENT) values.push(undefined);
    else {
      values.push(packed.subarray(at, at + length));
      at += length;
    }
  }
  return values;
}
