/** Reads sources as a run does. */
import type { Rows, SourceContext } from '../dist/sources/source.js';

export function sourceContext(run = new AbortController()): SourceContext {
  return { schedule: 'nightly', logicalDate: '2026-11-20', signal: run.signal };
}

export async function textOf(bytes: AsyncIterable<Uint8Array | string>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

/** What a source gives, from its opening on. */
export async function read(rows: Promise<Rows>): Promise<{ format: string; text: string }> {
  const { format, bytes } = await rows;
  return { format, text: await textOf(bytes) };
}
