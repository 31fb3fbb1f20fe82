/** Messages of Arrow streams as no library writes them: every length and offset is what the test says. */
import { join } from '@millrace/columnar/ipc/writer';
import { Builder } from 'flatbuffers';

/** Types by their number in Schema.fbs, as far as they have no member that must be set. */
export const TYPES = { null: 1, utf8: 5, list: 12, utf8View: 24 };

export interface RawField {
  name: string;
  type: number;
  children?: readonly RawField[];
  /** The field points into this dictionary, with indices of so many bits. */
  dictionary?: { id: number; indexBits: number };
}

export interface RawBatch {
  rows: number;
  /** Length and nulls of each column. */
  nodes: readonly (readonly [number, number])[];
  buffers: readonly Uint8Array[];
  /** Where the last buffer is said to end, behind or before where it does. */
  lastEnd?: number;
  /** How many buffers are behind the views of each column that has such. */
  variadic?: readonly number[];
}

/** @param times that the schema points to each field */
export function rawSchema(fields: readonly RawField[], times = 1): Uint8Array {
  const builder = new Builder(1024);
  const offsets = fields.map((field) => writeField(builder, field));
  const list = offsetVector(builder, new Array<number[]>(times).fill(offsets).flat());
  builder.startObject(4);
  builder.addFieldOffset(1, list, 0);
  return message(builder, 1, builder.endObject(), []);
}

export function rawBatch(batch: RawBatch): Uint8Array {
  const builder = new Builder(1024);
  return message(builder, 3, writeBatch(builder, batch), batch.buffers);
}

export function rawDictionary(id: number, batch: RawBatch, isDelta = false): Uint8Array {
  const builder = new Builder(1024);
  const offset = writeBatch(builder, batch);
  builder.startObject(3);
  builder.addFieldInt64(0, BigInt(id), 0n);
  builder.addFieldOffset(1, offset, 0);
  builder.addFieldInt8(2, Number(isDelta), 0);
  return message(builder, 2, builder.endObject(), batch.buffers);
}

function writeField(builder: Builder, { name, type, children = [], dictionary }: RawField): number {
  const childList = offsetVector(
    builder,
    children.map((child) => writeField(builder, child)),
  );
  const nameOffset = builder.createString(name);
  builder.startObject(0);
  const typeOffset = builder.endObject();
  const encoding = dictionary === undefined ? 0 : writeEncoding(builder, dictionary);
  builder.startObject(7);
  builder.addFieldOffset(0, nameOffset, 0);
  builder.addFieldInt8(2, type, 0);
  builder.addFieldOffset(3, typeOffset, 0);
  builder.addFieldOffset(4, encoding, 0);
  builder.addFieldOffset(5, childList, 0);
  return builder.endObject();
}

function writeEncoding(builder: Builder, { id, indexBits }: { id: number; indexBits: number }): number {
  builder.startObject(2);
  builder.addFieldInt32(0, indexBits, 0);
  builder.addFieldInt8(1, 1, 0);
  const index = builder.endObject();
  builder.startObject(2);
  builder.addFieldInt64(0, BigInt(id), 0n);
  builder.addFieldOffset(1, index, 0);
  return builder.endObject();
}

function writeBatch(builder: Builder, { rows, nodes, buffers, lastEnd, variadic = [] }: RawBatch): number {
  let at = 0;
  const places = buffers.map((bytes, index): [number, number] => {
    const start = at;
    at += bytes.length;
    const isLast = index === buffers.length - 1;
    return [start, isLast && lastEnd !== undefined ? lastEnd - start : bytes.length];
  });
  const nodeList = sizeVector(builder, nodes.flat(), 16);
  const placeList = sizeVector(builder, places.flat(), 16);
  const variadicList = sizeVector(builder, variadic, 8);
  builder.startObject(5);
  builder.addFieldInt64(0, BigInt(rows), 0n);
  builder.addFieldOffset(1, nodeList, 0);
  builder.addFieldOffset(2, placeList, 0);
  builder.addFieldOffset(4, variadicList, 0);
  return builder.endObject();
}

function offsetVector(builder: Builder, offsets: readonly number[]): number {
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) builder.addOffset(offset);
  return builder.endVector();
}

/** @param width of an element, which is made of 64-bit sizes */
function sizeVector(builder: Builder, sizes: readonly number[], width: number): number {
  builder.startVector(width, (8 * sizes.length) / width, 8);
  for (const size of sizes.toReversed()) builder.addInt64(BigInt(size));
  return builder.endVector();
}

function message(builder: Builder, kind: number, header: number, buffers: readonly Uint8Array[]): Uint8Array {
  const body = join(buffers);
  builder.startObject(5);
  builder.addFieldInt16(0, 4, 0);
  builder.addFieldInt8(1, kind, 0);
  builder.addFieldOffset(2, header, 0);
  builder.addFieldInt64(3, BigInt(body.length), 0n);
  builder.finish(builder.endObject());
  const metadata = builder.asUint8Array();
  const prefix = new DataView(new ArrayBuffer(8));
  prefix.setUint32(0, 0xffffffff, true);
  prefix.setInt32(4, metadata.length, true);
  return join([new Uint8Array(prefix.buffer), metadata, body]);
}
