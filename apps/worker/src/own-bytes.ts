/** The bytes in a buffer of their own, which can be moved to a thread: those of a small reply of Redis share theirs with others. */
export function ownBytes(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const isAlone = bytes.byteLength === bytes.buffer.byteLength;
  return isAlone ? (bytes as Buffer<ArrayBuffer>) : new Uint8Array(bytes);
}
