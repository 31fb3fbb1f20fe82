import { EventEmitter } from 'node:events';
import type { Response } from 'express';
import { beforeEach, describe, expect, it } from 'vitest';
import { type BodyMemory, batchMemory } from '../dist/submit/body-memory.js';

const TOO_MANY = expect.objectContaining({ code: 'overloaded' });
let memory: BodyMemory;

beforeEach(() => {
  memory = batchMemory(10);
});

/** A request under way, and the end of its answer. */
function open() {
  const response = Object.assign(new EventEmitter(), { destroyed: false });
  const close = () => {
    response.destroyed = true;
    response.emit('close');
  };
  return { hold: memory.of(response as unknown as Response), close };
}

describe('the memory of record batches', () => {
  it('is refused to the one that goes beyond it, and there again for the next', () => {
    const [first, second] = [open(), open()];
    first.hold(6);
    expect(() => second.hold(5)).toThrow(TOO_MANY);
    second.hold(4);
    first.hold(0);
    second.hold(10);
    expect(() => first.hold(1)).toThrow(TOO_MANY);
  });

  it('is there again when an answer is done, and taken by nothing that comes later', () => {
    const [first, second] = [open(), open()];
    first.hold(10);
    first.close();
    first.hold(10);
    second.hold(10);
  });
});
