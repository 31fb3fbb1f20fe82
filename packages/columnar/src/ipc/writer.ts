/** Writes Arrow IPC streams: the schema, record batches of plain columns, and the end. */
import { Builder } from 'flatbuffers';
import type { PlainColumn } from '../column.js';
import { itemsStart, type ListColumn } from '../column.js';
import type { NumberName, ValueType } from './arrow-type.js';

export interface NamedType {
  name: string;
  type: ValueType;
  metadata?: Readonly<Record<string, string>>;
}

/** Of every buffer, as the format asks for. */
const ALIGNMENT = 8;
const CONTINUATION = 0xffffffff;
const METADATA_V5 = 4;

/** What ends a stream. */
export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** A whole stream of one record batch. */
export function writeStream(
  fields: readonly NamedType[],
  columns: readonly PlainColumn[],
  rows: number,
): Uint8Array {
  return join([schemaMessage(fields), ...batchMessage(columns, rows), END_OF_STREAM]);
}

/** The message with which a stream begins. */
export function schemaMessage(fields: readonly NamedType[]): Uint8Array {
  const builder = new Builder(1024);
  const offsets = fields.map((field) => writeField(builder, field));
  const list = writeOffsets(builder, offsets);
  builder.startObject(4);
  builder.addFieldOffset(1, list, 0);
  return writeMessage(builder, 1, builder.endObject(), 0);
}

/** The parts of the message of a record batch: its metadata, then the buffers of the columns as they are. */
export function batchMessage(columns: readonly PlainColumn[], rows: number): Uint8Array[] {
  const nodes: [number, number][] = [];
  const buffers: Uint8Array[] = [];
  for (const column of columns) flatten(column, nodes, buffers);
  const places: [number, number][] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const bytes of buffers) {
    places.push([at, bytes.length]);
    const padding = -bytes.length & (ALIGNMENT - 1);
    if (bytes.length > 0) parts.push(bytes);
    if (padding > 0) parts.push(new Uint8Array(padding));
    at += bytes.length + padding;
  }
  const builder = new Builder(1024);
  const nodeList = writePairs(builder, nodes);
  const bufferList = writePairs(builder, places);
  builder.startObject(5);
  builder.addFieldInt64(0, BigInt(rows), 0n);
  builder.addFieldOffset(1, nodeList, 0);
  builder.addFieldOffset(2, bufferList, 0);
  return [writeMessage(builder, 3, builder.endObject(), at), ...parts];
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A column's length and nulls, and its buffers, and those of what it holds behind them. */
function flatten(column: PlainColumn, nodes: [number, number][], buffers: Uint8Array[]): void {
  const { length, valid, kind } = column;
  nodes.push([length, kind === 'null' ? length : valid === undefined ? 0 : zeros(valid, length)]);
  if (kind === 'null') return;
  buffers.push(valid ?? new Uint8Array(0));
  switch (kind) {
    case 'bool':
      buffers.push(column.bits);
      return;
    case 'number':
      buffers.push(bytesOf(column.values));
      return;
    case 'utf8':
      buffers.push(bytesOf(column.offsets), column.bytes);
      return;
    case 'list':
      buffers.push(bytesOf(offsetsOf(column)));
      flatten(column.items as PlainColumn, nodes, buffers);
  }
}

function offsetsOf(column: ListColumn): Int32Array {
  if (typeof column.offsets !== 'number') return column.offsets;
  return Int32Array.from({ length: column.length + 1 }, (_, row) => itemsStart(column, row));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function zeros(bits: Uint8Array, length: number): number {
  let ones = 0;
  for (let at = 0; at < length; at++) ones += ((bits[at >>> 3] as number) >>> (at & 7)) & 1;
  return length - ones;
}

function writeField(builder: Builder, { name, type, metadata = {} }: NamedType): number {
  const children = type.kind === 'list' ? [writeField(builder, { name: 'item', type: type.item })] : [];
  const childList = writeOffsets(builder, children);
  const pairs = Object.entries(metadata).map(([key, value]) => writeKeyValue(builder, key, value));
  const pairList = writeOffsets(builder, pairs);
  const nameOffset = builder.createString(name);
  const { number, offset } = writeType(builder, type);
  builder.startObject(7);
  builder.addFieldOffset(0, nameOffset, 0);
  builder.addFieldInt8(1, 1, 0);
  builder.addFieldInt8(2, number, 0);
  builder.addFieldOffset(3, offset, 0);
  builder.addFieldOffset(5, childList, 0);
  builder.addFieldOffset(6, pairList, 0);
  return builder.endObject();
}

function writeKeyValue(builder: Builder, key: string, value: string): number {
  const keyOffset = builder.createString(key);
  const valueOffset = builder.createString(value);
  builder.startObject(2);
  builder.addFieldOffset(0, keyOffset, 0);
  builder.addFieldOffset(1, valueOffset, 0);
  return builder.endObject();
}

const TYPE_NUMBERS = { null: 1, utf8: 5, bool: 6, list: 12 };
const INT = 2;
const FLOATING_POINT = 3;
const PRECISIONS: Partial<Record<NumberName, number>> = { float16: 0, float32: 1, float64: 2 };

function writeType(builder: Builder, type: ValueType): { number: number; offset: number } {
  if (type.kind !== 'number') {
    builder.startObject(0);
    return { number: TYPE_NUMBERS[type.kind], offset: builder.endObject() };
  }
  const precision = PRECISIONS[type.type];
  if (precision !== undefined) {
    builder.startObject(1);
    builder.addFieldInt16(0, precision, 0);
    return { number: FLOATING_POINT, offset: builder.endObject() };
  }
  builder.startObject(2);
  builder.addFieldInt32(0, Number(type.type.replace(/^u?int/, '')), 0);
  builder.addFieldInt8(1, type.type.startsWith('u') ? 0 : 1, 0);
  return { number: INT, offset: builder.endObject() };
}

function writeOffsets(builder: Builder, offsets: readonly number[]): number {
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) builder.addOffset(offset);
  return builder.endVector();
}

/** Structs of two 64-bit numbers. */
function writePairs(builder: Builder, pairs: readonly (readonly [number, number])[]): number {
  builder.startVector(16, pairs.length, 8);
  // FlatBuffers are written from their end.
  for (const [first, second] of pairs.toReversed()) {
    builder.prep(8, 16);
    builder.writeInt64(BigInt(second));
    builder.writeInt64(BigInt(first));
  }
  return builder.endVector();
}

/** The message without its body. @param kind of the header, by its number in Message.fbs */
function writeMessage(builder: Builder, kind: number, header: number, bodyBytes: number): Uint8Array {
  builder.startObject(5);
  builder.addFieldInt16(0, METADATA_V5, 0);
  builder.addFieldInt8(1, kind, 0);
  builder.addFieldOffset(2, header, 0);
  builder.addFieldInt64(3, BigInt(bodyBytes), 0n);
  builder.finish(builder.endObject());
  const metadata = builder.asUint8Array();
  const length = (metadata.length + ALIGNMENT - 1) & -ALIGNMENT;
  const message = new Uint8Array(8 + length);
  const prefix = new DataView(message.buffer);
  prefix.setUint32(0, CONTINUATION, true);
  prefix.setInt32(4, length, true);
  message.set(metadata, 8);
  return message;
}
