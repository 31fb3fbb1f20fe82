/** Bytes that come from elsewhere, with a bound on each wait for more of them. */

/**
 * The time between two reads, in which nobody waits, does not count.
 * @param late makes the error when nothing has come for `idleMs`
 */
export async function* boundIdle(
  bytes: AsyncIterable<Uint8Array>,
  idleMs: number,
  late: () => Error,
): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  let hasEnded = false;
  try {
    for (;;) {
      const next = await within(iterator.next(), idleMs, late);
      if (next.done === true) break;
      yield next.value;
    }
    hasEnded = true;
  } finally {
    // Not waited for: what has not answered before may not do it now either.
    if (!hasEnded) iterator.return?.()?.catch(() => {});
  }
}

async function within<Value>(promise: Promise<Value>, ms: number, late: () => Error): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
