/**
 * Whole bodies is responsible for how much of the bodies that cannot be streamed is in memory at once: parsed, each costs
 * many times its size, and so few large ones at once would end the process.
 */
import { BatchError } from '@millrace/batch/errors';
import type { Response } from 'express';

export class WholeBodies {
  private heldBytes = 0;

  /** @param maxBytes of all of them together, as they came */
  constructor(private readonly maxBytes: number) {}

  /**
   * Reads one to its end; it counts until its answer is done, or reading fails.
   * @throws BatchError `overloaded`, or what reading meets
   */
  async read(pieces: AsyncIterable<Uint8Array>, response: Response): Promise<Buffer> {
    const read: Uint8Array[] = [];
    let bytes = 0;
    const release = () => {
      this.heldBytes -= bytes;
      bytes = 0;
    };
    response.once('close', release);
    try {
      for await (const piece of pieces) {
        if (this.heldBytes + piece.length > this.maxBytes) throw tooMany();
        bytes += piece.length;
        this.heldBytes += piece.length;
        read.push(piece);
      }
    } catch (error) {
      release();
      throw error;
    }
    // The client may have gone before anybody listened for that, or before the last piece.
    if (response.destroyed) release();
    return Buffer.concat(read);
  }
}

function tooMany(): BatchError {
  return new BatchError(
    'overloaded',
    'too many bodies that have to be read whole are being received at once; try again, or send NDJSON, which is streamed',
  );
}
