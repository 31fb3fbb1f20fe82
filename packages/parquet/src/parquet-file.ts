/** Reads the columns of a Parquet file: one row group at a time, and of a large one some of its rows. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import {
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { KeptReads } from './kept-reads.js';
import { plainSchema } from './parquet-column.js';
import type { RandomAccess } from './random-access.js';

/** The bytes of a row group are in memory at once. */
const GROUP_BYTES_MAX = 512 * 1024 * 1024;
/** So are as many values, of all columns together: a few bytes may stand for millions of them. A list counts as one. */
const VALUES_MAX = 4 * 1024 * 1024;

const DECOMPRESSORS = {
  ...compressors,
  // Node's own are native.
  GZIP: (bytes: Uint8Array, length: number) => gunzipSync(bytes, { maxOutputLength: length }),
  BROTLI: (bytes: Uint8Array, length: number) => brotliDecompressSync(bytes, { maxOutputLength: length }),
};

/** Some rows, column by column in the order of the file. */
export interface ParquetRows {
  values: ArrayLike<unknown>[];
  rows: number;
}

export interface ParquetFile {
  /** The children of the root of the file's schema. */
  columns: readonly SchemaTree[];
  /** All rows, as many at once as may be in memory. */
  parts(): AsyncGenerator<ParquetRows>;
}

/**
 * Broken files can make it compute for ever: it belongs in a thread that can be ended.
 * @param valuesMax how many are in memory at once; of one column at least those of a page are, of lists all of a row group
 * @throws Error that says what is wrong with the file
 */
export async function openParquet(file: RandomAccess, valuesMax = VALUES_MAX): Promise<ParquetFile> {
  const metadata = await parquetMetadataAsync(file, { geoparquet: false });
  checkGroupSizes(metadata);
  const columns = parquetSchema(metadata).children;
  checkNames(columns);
  return { columns, parts: () => partsOf(file, metadata, columns, valuesMax) };
}

async function* partsOf(
  file: RandomAccess,
  metadata: FileMetaData,
  columns: readonly SchemaTree[],
  valuesMax: number,
): AsyncGenerator<ParquetRows> {
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
  const lists = columns.filter(isList);
  for (const { rowStart: first, rowEnd: end } of scan.ranges) {
    // Lists are unpacked whole, whatever rows are asked for; of a range that was just read, the scan has the parts.
    for (const { element } of lists) {
      await scan.readColumn({ column: element.name, rowStart: first, rowEnd: end });
    }
    for (let rowStart = first; rowStart < end; rowStart += rowsAtOnce) {
      const rowEnd = Math.min(end, rowStart + rowsAtOnce);
      const values: ArrayLike<unknown>[] = [];
      // One after the other: there may be thousands, and each is a request where the file is far away.
      for (const { element } of columns) {
        values.push(await scan.readColumn({ column: element.name, rowStart, rowEnd }));
      }
      yield { values, rows: rowEnd - rowStart };
    }
    reads.forget();
  }
}

function isList({ children, element }: SchemaTree): boolean {
  return children.length > 0 || element.repetition_type === 'REPEATED';
}

function checkGroupSizes({ row_groups }: FileMetaData): void {
  for (const { total_byte_size, num_rows } of row_groups) {
    if (total_byte_size > GROUP_BYTES_MAX) {
      const size = `a row group has ${num_rows} rows of ${total_byte_size} bytes`;
      throw new Error(`${size}, more than ${GROUP_BYTES_MAX}; write the file with smaller row groups`);
    }
  }
}

function checkNames(columns: readonly SchemaTree[]): void {
  const names = new Set<string>();
  for (const { element } of columns) {
    if (names.has(element.name)) throw new Error(`it has two columns "${element.name}"`);
    names.add(element.name);
  }
}
