/** Turns the bytes of a chunk into input tensors, the ids, and an error for every row that could not be read. */
import type { RowError, RowId } from '../errors.js';
import { isBlank, type LineFormat, recordBorders } from '../split/record-borders.js';
import { parseRecord, withoutLineEnd } from './csv.js';
import type { InputRows } from './input-rows.js';
import { isNestedTooDeep, NESTING_MAX } from './nesting.js';
import { type CsvColumn, ID_KEY, type RowProblem, type RowReader } from './row-reader.js';

export interface DecodedChunk {
  rows: number;
  /** For each input tensor, in the order of the manifest, the rows that could be read, without gaps. */
  inputs: readonly InputRows[];
  /** For each row of the inputs its place in the chunk, ascending from 0. */
  valid: Uint32Array;
  /** By place in the chunk; absent when no row has an id. */
  ids?: (RowId | undefined)[];
  /** In order of `row`, which counts over the whole task. */
  errors: RowError[];
}

export interface ChunkSource {
  format: LineFormat;
  bytes: Uint8Array;
  firstRow: number;
  rows: number;
  /** What the columns hold; CSV only. */
  columns?: readonly CsvColumn[];
}

export function decodeChunk(source: ChunkSource, reader: RowReader): DecodedChunk {
  const collector = new RowCollector(source, reader);
  const read = source.format === 'csv' ? readCsvRow(collector, source.columns ?? []) : readJsonRow(collector);
  eachRecord(source, read);
  return collector.finish();
}

type ReadRecord = (record: string | undefined) => void;

function readJsonRow(collector: RowCollector): ReadRecord {
  return (record) => {
    if (record === undefined) return collector.reject(NOT_UTF8);
    if (isNestedTooDeep(record)) return collector.reject(TOO_DEEP);
    let row: unknown;
    try {
      row = JSON.parse(collector.atStart && record.startsWith('\uFEFF') ? record.slice(1) : record);
    } catch {
      return collector.reject({ code: 'malformed_json', message: 'the line is not valid JSON' });
    }
    collector.addJson(row);
  };
}

function readCsvRow(collector: RowCollector, columns: readonly CsvColumn[]): ReadRecord {
  const idColumn = columns.indexOf(ID_KEY);
  return (record) => {
    if (record === undefined) return collector.reject(NOT_UTF8);
    const fields = parseRecord(withoutLineEnd(record));
    if (fields === undefined) {
      return collector.reject({ code: 'malformed_csv', message: brokenQuotes(record) });
    }
    collector.addFields(fields, columns, idColumn === -1 ? undefined : fields[idColumn]);
  };
}

/** An open quote takes the lines behind it for its own; to say how many tells where the rows have gone. */
function brokenQuotes(record: string): string {
  const lines = withoutLineEnd(record).split('\n').length;
  const span = lines === 1 ? '' : `; it takes up ${lines} lines (is a quote left open?)`;
  return `the quotes of this record do not pair up${span}`;
}

const TOO_DEEP: RowProblem = {
  code: 'wrong_row_type',
  message: `the row is nested deeper than ${NESTING_MAX} levels`,
};

const NOT_UTF8: RowProblem = { code: 'invalid_utf8', message: 'the record is not valid UTF-8' };

/** Passes on every record that is not blank, as text; undefined for one that is not UTF-8. */
function eachRecord({ format, bytes }: ChunkSource, read: ReadRecord): void {
  const text = decodeStrict(bytes);
  if (text !== undefined && (format === 'ndjson' || !text.includes('"'))) {
    for (const line of text.split('\n')) if (!isBlankText(line)) read(line);
    return;
  }
  const borders = recordBorders(format);
  for (let start = 0; start < bytes.length; ) {
    const end = borders.next(bytes, start);
    const stop = end === -1 ? bytes.length : end;
    if (!isBlank(bytes, start, stop)) read(decodeStrict(bytes.subarray(start, stop)));
    start = stop;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeStrict(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The same test as `isBlank`, on text. */
function isBlankText(line: string): boolean {
  for (let index = 0; index < line.length; index++) {
    const code = line.charCodeAt(index);
    if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return false;
  }
  return true;
}

/** Fills the inputs row by row. */
class RowCollector {
  private readonly inputs: readonly InputRows[];
  private readonly valid: Uint32Array;
  private readonly errors: RowError[] = [];
  private ids: (RowId | undefined)[] | undefined;
  private validRows = 0;
  private place = 0;

  constructor(
    private readonly source: { firstRow: number; rows: number },
    private readonly reader: RowReader,
  ) {
    this.inputs = reader.allocate(source.rows);
    this.valid = new Uint32Array(source.rows);
  }

  /** At the first row of the task, where a byte order mark may stand. */
  get atStart(): boolean {
    return this.place === 0 && this.source.firstRow === 0;
  }

  addJson(row: unknown): void {
    const id = this.reader.idOf(row);
    if (typeof id === 'object') this.reject(id);
    else this.settle(this.reader.read(row, this.inputs, this.validRows), id);
  }

  addFields(fields: readonly string[], columns: readonly CsvColumn[], id: string | undefined): void {
    const checked = this.reader.idOf({ [ID_KEY]: id === '' ? undefined : id });
    if (typeof checked === 'object') this.reject(checked);
    else this.settle(this.reader.readFields(fields, columns, this.inputs, this.validRows), checked);
  }

  reject(problem: RowProblem, id?: RowId): void {
    const error: RowError = {
      row: this.source.firstRow + this.place,
      code: problem.code,
      message: problem.message,
    };
    if (id !== undefined) error.id = id;
    this.errors.push(error);
    this.place++;
  }

  finish(): DecodedChunk {
    if (this.place !== this.source.rows) {
      throw new Error(`the chunk was split as ${this.source.rows} rows and read as ${this.place}`);
    }
    const decoded: DecodedChunk = {
      rows: this.place,
      inputs: this.inputs,
      valid: this.valid.subarray(0, this.validRows),
      errors: this.errors,
    };
    if (this.ids !== undefined) decoded.ids = this.ids;
    return decoded;
  }

  private settle(problem: RowProblem | undefined, id: RowId | undefined): void {
    if (id !== undefined) {
      this.ids ??= [];
      this.ids[this.place] = id;
    }
    if (problem === undefined) {
      this.valid[this.validRows] = this.place;
      this.validRows++;
      this.place++;
    } else {
      this.reject(problem, id);
    }
  }
}
