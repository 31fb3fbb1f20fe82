/**
 * A row of tensors as bytes: for each tensor the sizes that the manifest leaves open (uint32), then the values as they lie in
 * memory, of strings each its length (uint32) and its UTF-8, in which ONNX Runtime takes and gives it. With the manifest,
 * the bytes tell the row from every other.
 */
import { allocate } from '@millrace/batch/manifest/element-types';
import { sizeOf } from '@millrace/batch/manifest/feature';
import type { Input, Output } from '@millrace/batch/manifest/manifest';
import type { RunOutput } from '../inference/onnx-session.js';

/** The values of a tensor for one row, and their shape. */
export type RowTensor = Pick<RunOutput, 'data' | 'rowShape'>;

const SIZE_BYTES = 4;
const FIRST_ROOM = 1_024;

/** Writes one row after the other into the same memory. */
export class RowWriter {
  private buffer = Buffer.allocUnsafe(FIRST_ROOM);
  private length = 0;

  /** What was written since `restart`; overwritten afterwards. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  restart(): void {
    this.length = 0;
  }

  tensor({ shape }: Pick<Input | Output, 'shape'>, { data, rowShape }: RowTensor): void {
    shape.forEach((stated, at) => {
      if (stated === null) this.size(rowShape[at] as number);
    });
    if (Array.isArray(data)) for (const text of data) this.text(text);
    else this.raw(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.size(length);
    this.reserve(length);
    this.length += this.buffer.write(text, this.length);
  }

  private size(value: number): void {
    this.reserve(SIZE_BYTES);
    this.length = this.buffer.writeUInt32LE(value, this.length);
  }

  private raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.length + bytes));
    larger.set(this.bytes);
    this.buffer = larger;
  }
}

/**
 * Reads the outputs of one row back.
 * @throws RangeError when the bytes are not those of such a row
 */
export function readRow(outputs: readonly Output[], bytes: Uint8Array): RunOutput[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const size = () => {
    const value = buffer.readUInt32LE(at);
    at += SIZE_BYTES;
    return value;
  };
  const take = (length: number) => {
    at += length;
    return buffer.subarray(at - length, at);
  };
  const row = outputs.map(({ name, type, shape }): RunOutput => {
    const rowShape = shape.map((stated) => stated ?? size());
    const length = sizeOf(rowShape) as number;
    // Before room is made for it: a value takes a byte at least.
    if (length > buffer.length) throw new RangeError('a tensor is larger than its row');
    const data = allocate(type, length);
    if (Array.isArray(data)) return { name, data: data.map(() => take(size()).toString()), rowShape };
    new Uint8Array(data.buffer).set(take(data.byteLength));
    return { name, data, rowShape };
  });
  if (at !== buffer.length) throw new RangeError('the row is shorter or longer than its tensors');
  return row;
}
