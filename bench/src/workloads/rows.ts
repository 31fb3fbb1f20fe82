/** Rows in memory, and the bodies that carry them. */
import { Buffer } from 'node:buffer';

/** Some features of each row, one row after the other. */
export interface NumberRows {
  kind: 'numbers';
  names: readonly string[];
  values: Float32Array | Float64Array;
}

/** One text each. */
export interface TextRows {
  kind: 'texts';
  names: readonly [string];
  values: readonly string[];
}

export type Rows = NumberRows | TextRows;

/** Lines of a piece: some hundred kilobytes, as much as a socket takes without waiting for long. */
const PIECE_ROWS = 8_192;

export function countRows({ names, values }: Rows): number {
  return values.length / names.length;
}

/** The values of one row. */
function valuesOf({ names, values }: Rows, row: number): (number | string)[] {
  return Array.from(names, (_, at) => values[row * names.length + at] as number | string);
}

/** An object by feature name on each line, in pieces of whole lines. */
export function ndjsonPieces(rows: Rows, from = 0, to = countRows(rows)): Buffer[] {
  const keys = rows.names.map((name, at) => `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return pieces(
    from,
    to,
    (row) =>
      `${valuesOf(rows, row)
        .map((value, at) => `${keys[at]}${JSON.stringify(value)}`)
        .join('')}}\n`,
  );
}

/** A header, and the values of numbers. */
export function csvPieces(rows: NumberRows): Buffer[] {
  const header = Buffer.from(`${rows.names.join(',')}\n`);
  return [header, ...pieces(0, countRows(rows), (row) => `${valuesOf(rows, row).join(',')}\n`)];
}

/** `{"inputs": [[…], …]}`, which the platform and its peers take alike. */
export function jsonBody(rows: Rows, from: number, to: number): Buffer {
  const inputs = Array.from({ length: to - from }, (_, at) => valuesOf(rows, from + at));
  return Buffer.from(JSON.stringify({ inputs }));
}

function pieces(from: number, to: number, line: (row: number) => string): Buffer[] {
  const made: Buffer[] = [];
  for (let start = from; start < to; start += PIECE_ROWS) {
    let text = '';
    for (let row = start; row < Math.min(start + PIECE_ROWS, to); row++) text += line(row);
    made.push(Buffer.from(text));
  }
  return made;
}
