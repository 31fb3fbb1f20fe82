/** The layout of JSON rows: learnt from one that was read. */
import type { InputRows } from './input-rows.js';
import { bareForm, type Form, LayoutBuilder, type Leaf, type RowLayout } from './row-layout.js';
import type { RowReader } from './row-reader.js';

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;

const STRUCTURE = bytesOf('[]{}:, \t\r\n');
const WHITE_SPACE = bytesOf(' \t\r\n');
const LINE_END = bytesOf('\r\n');
const NUMBER_START = bytesOf('-0123456789');
const BOOLEAN_START = bytesOf('tf');

const UTF8 = new TextDecoder();
const NULL = new TextEncoder().encode('null');

/**
 * @param row valid JSON whose values were accepted
 * @returns undefined for a row that says nothing about others, as one with a key twice, or `null` for a text
 */
export function jsonLayout(
  row: Uint8Array,
  reader: RowReader,
  inputs: readonly InputRows[],
): RowLayout | undefined {
  const builder = new LayoutBuilder(inputs, NULL);
  const leaves = new Leaves(reader);
  let behindValue = 0;
  let objects = 0;
  for (let at = 0; at < row.length; ) {
    const byte = row[at] as number;
    if (STRUCTURE[byte] === 1) {
      // An object within the row can only be the value of a key that comes twice.
      if (byte === OPEN_OBJECT && ++objects > 1) return undefined;
      at++;
      continue;
    }
    const end = byte === QUOTE ? stringEnd(row, at) : scalarEnd(row, at);
    if (byte === QUOTE && isKey(row, end)) {
      leaves.atKey(JSON.parse(UTF8.decode(row.subarray(at, end))) as string);
    } else {
      const leaf = leaves.next();
      // In place of `null` others have what the feature takes. Texts have quotes, which no layout leaves out: they are parsed.
      const form = formOf(byte) ?? (leaf && bareForm(leaf.feature));
      if (form === undefined) return undefined;
      // The quotes of a string are not its own.
      const inset = form === 'string' ? 1 : 0;
      builder.add(row, behindValue, at + inset, form, leaf);
      behindValue = end - inset;
    }
    at = end;
  }
  return builder.finish(withoutLineEnd(row.slice(behindValue)), reader.features);
}

/** Says which value comes next: in an object by the last key, in an array in feature order. */
class Leaves {
  private readonly places: ReadonlyMap<string, number>;
  private feature: number | undefined = 0;
  private element = 0;

  constructor(private readonly reader: RowReader) {
    this.places = new Map(reader.features.map(({ name }, at) => [name, at]));
  }

  /** In a row that was accepted, a key that is no feature's is that of the id. */
  atKey(name: string): void {
    this.feature = this.places.get(name);
    this.element = 0;
  }

  next(): Leaf {
    if (this.feature === undefined) return undefined;
    const feature = this.reader.features[this.feature];
    if (feature === undefined) return undefined;
    const leaf = { feature, element: this.element };
    this.element++;
    if (this.element === feature.size) {
      this.feature++;
      this.element = 0;
    }
    return leaf;
  }
}

/** By the first byte of a value; undefined for `null`. */
function formOf(byte: number): Form | undefined {
  if (byte === QUOTE) return 'string';
  if (NUMBER_START[byte] === 1) return 'number';
  return BOOLEAN_START[byte] === 1 ? 'boolean' : undefined;
}

/** The place behind a string that begins at `start`. */
function stringEnd(row: Uint8Array, start: number): number {
  let at = start + 1;
  while (row[at] !== QUOTE) at += row[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** The place behind a number, `true`, `false` or `null`. */
function scalarEnd(row: Uint8Array, start: number): number {
  let at = start;
  while (at < row.length && STRUCTURE[row[at] as number] === 0) at++;
  return at;
}

function isKey(row: Uint8Array, end: number): boolean {
  let at = end;
  while (WHITE_SPACE[row[at] as number] === 1) at++;
  return row[at] === COLON;
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && LINE_END[bytes[end - 1] as number] === 1) end--;
  return bytes.subarray(0, end);
}

/** By byte, 1 for these characters. */
function bytesOf(characters: string): Uint8Array {
  const bytes = new Uint8Array(256);
  for (const byte of new TextEncoder().encode(characters)) bytes[byte] = 1;
  return bytes;
}
