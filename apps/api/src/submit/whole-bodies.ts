/**
 * Whole bodies is responsible for reading the bodies that cannot be streamed: parsed, each costs many times its size, and so
 * few large ones at once would end the process.
 */
import type { Response } from 'express';
import { BodyMemory } from './body-memory.js';

export class WholeBodies {
  private readonly memory: BodyMemory;

  /** @param maxBytes of all of them together, as they came */
  constructor(maxBytes: number) {
    this.memory = new BodyMemory(
      maxBytes,
      'too many bodies that have to be read whole are being received at once; try again, or send NDJSON, which is streamed',
    );
  }

  /**
   * Reads one to its end; it counts until its answer is done, or reading fails.
   * @throws BatchError `overloaded`, or what reading meets
   */
  async read(pieces: AsyncIterable<Uint8Array>, response: Response): Promise<Buffer> {
    const hold = this.memory.of(response);
    const read: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        hold(bytes);
        read.push(piece);
      }
    } catch (error) {
      hold(0);
      throw error;
    }
    return Buffer.concat(read);
  }
}
