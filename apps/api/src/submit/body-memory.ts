/** Body memory is responsible for how much of the bodies of one kind that are being received is in memory at once. */
import { BatchError } from '@millrace/batch/errors';
import type { Response } from 'express';

export class BodyMemory {
  private heldBytes = 0;

  /** @param maxBytes of all of them together @param refusal says what is too much, and what to do about it */
  constructor(
    private readonly maxBytes: number,
    private readonly refusal: string,
  ) {}

  /** For one request, until its answer is done: sets how many bytes it holds. What is set @throws BatchError `overloaded` */
  of(response: Response): (bytes: number) => void {
    let held = 0;
    const hold = (bytes: number) => {
      // Of a client that has gone nothing is held any more.
      const wanted = response.destroyed ? 0 : bytes;
      if (this.heldBytes - held + wanted > this.maxBytes) throw new BatchError('overloaded', this.refusal);
      this.heldBytes += wanted - held;
      held = wanted;
    };
    response.once('close', () => hold(0));
    return hold;
  }
}

/** Of the record batches of Arrow streams. */
export function batchMemory(maxBytes: number): BodyMemory {
  return new BodyMemory(
    maxBytes,
    'too many large record batches are being received at once; try again, or write smaller ones',
  );
}
