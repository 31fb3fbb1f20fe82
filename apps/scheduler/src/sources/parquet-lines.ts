/** Reads a Parquet file as NDJSON lines: one row group at a time, and of a large one some of its rows. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type FileMetaData, parquetMetadataAsync, parquetScan, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { KeptReads } from './kept-reads.js';
import { columnPrinter, type PrintValue, plainSchema } from './parquet-column.js';
import type { RandomAccess } from './random-access.js';

/** The bytes of a row group are in memory at once. */
const GROUP_BYTES_MAX = 512 * 1024 * 1024;
/** So are as many values, of all columns together: a few bytes may stand for millions of them. */
const VALUES_MAX = 4 * 1024 * 1024;
const PIECE_CHARACTERS = 64 * 1024;

const DECOMPRESSORS = {
  ...compressors,
  // Node's own are native.
  GZIP: (bytes: Uint8Array, length: number) => gunzipSync(bytes, { maxOutputLength: length }),
  BROTLI: (bytes: Uint8Array, length: number) => brotliDecompressSync(bytes, { maxOutputLength: length }),
};

/**
 * Broken files can make it compute for ever: it belongs in a thread that can be ended.
 * @param valuesMax how many are in memory at once; of one column at least those of a page are
 * @throws Error that says what is wrong with the file
 */
export async function* linesOf(file: RandomAccess, valuesMax = VALUES_MAX): AsyncGenerator<Uint8Array> {
  const metadata = await parquetMetadataAsync(file, { geoparquet: false });
  checkGroupSizes(metadata);
  const columns = columnsOf(metadata);
  const reads = new KeptReads(file, GROUP_BYTES_MAX);
  const scan = await parquetScan({
    file: reads,
    metadata: { ...metadata, schema: plainSchema(metadata.schema) },
    compressors: DECOMPRESSORS,
    parsers: { timestampFromNanoseconds: (nanoseconds) => nanoseconds },
    utf8: false,
    geoparquet: false,
    useOffsetIndex: false,
  });
  const rowsAtOnce = Math.max(1, Math.floor(valuesMax / columns.length));
  for (const { rowStart: first, rowEnd: end } of scan.ranges) {
    for (let rowStart = first; rowStart < end; rowStart += rowsAtOnce) {
      const rowEnd = Math.min(end, rowStart + rowsAtOnce);
      const values: ArrayLike<unknown>[] = [];
      // One after the other: there may be thousands, and each is a request where the file is far away.
      for (const { name } of columns) values.push(await scan.readColumn({ column: name, rowStart, rowEnd }));
      yield* printRows(columns, values, rowEnd - rowStart);
    }
    reads.forget();
  }
}

function checkGroupSizes({ row_groups }: FileMetaData): void {
  for (const { total_byte_size, num_rows } of row_groups) {
    if (total_byte_size > GROUP_BYTES_MAX) {
      const size = `a row group has ${num_rows} rows of ${total_byte_size} bytes`;
      throw new Error(`${size}, more than ${GROUP_BYTES_MAX}; write the file with smaller row groups`);
    }
  }
}

interface Column {
  name: string;
  print: PrintValue;
}

function columnsOf(metadata: FileMetaData): Column[] {
  const names = new Set<string>();
  return parquetSchema(metadata).children.map((child) => {
    const { name } = child.element;
    if (names.has(name)) throw new Error(`it has two columns "${name}"`);
    names.add(name);
    try {
      return { name, print: columnPrinter(child) };
    } catch (error) {
      throw new Error(`no row can have the column "${name}": ${(error as Error).message}`, { cause: error });
    }
  });
}

function* printRows(
  columns: readonly Column[],
  values: readonly ArrayLike<unknown>[],
  rows: number,
): Generator<Uint8Array> {
  const members = columns.map(({ name, print }, index) => {
    const head = `${index === 0 ? '' : ','}${JSON.stringify(name)}:`;
    const cells = values[index] ?? [];
    return (row: number) => {
      try {
        return head + print(cells[row]);
      } catch (error) {
        throw new Error(`the column "${name}" has a value that is none: ${(error as Error).message}`, {
          cause: error,
        });
      }
    };
  });
  let text = '';
  for (let row = 0; row < rows; row++) {
    text += '{';
    for (const member of members) text += member(row);
    text += '}\n';
    if (text.length >= PIECE_CHARACTERS) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}
