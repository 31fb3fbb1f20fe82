/** Puts small pieces of text together, so that each write is worth its while. */

const BLOCK_BYTES = 256 * 1024;

/** Blocks of at least 256 KiB, the last excepted. */
export async function* inBlocks(
  pieces: AsyncIterable<Uint8Array | string> | Iterable<string>,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    const more = typeof piece === 'string' ? Buffer.from(piece) : piece;
    held.push(more);
    bytes += more.length;
    if (bytes >= BLOCK_BYTES) {
      yield Buffer.concat(held);
      held = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(held);
}
