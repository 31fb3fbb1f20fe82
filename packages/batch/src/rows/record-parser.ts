/** The record parser is responsible for records of any form: it parses them as text and says what is wrong with them. */
import { isBlank, type LineFormat, type RecordBorders, recordBorders } from '../split/record-borders.js';
import type { ChunkSource } from './chunk-rows.js';
import { parseRecord, withoutLineEnd } from './csv.js';
import { isNestedTooDeep, NESTING_MAX } from './nesting.js';
import type { RowCollector } from './row-collector.js';
import { type CsvColumn, ID_KEY, type RowProblem, type RowReader } from './row-reader.js';

/** Takes a record as text; undefined for one that is not UTF-8. */
type ReadRecord = (record: string | undefined) => void;

export class RecordParser {
  private readonly format: LineFormat;
  private readonly bytes: Uint8Array;
  private readonly borders: RecordBorders;
  private readonly read: ReadRecord;

  constructor({ format, bytes, columns }: ChunkSource, reader: RowReader, collector: RowCollector) {
    this.format = format;
    this.bytes = bytes;
    this.borders = recordBorders(format);
    this.read =
      format === 'csv' ? readCsvRow(reader, collector, columns ?? []) : readJsonRow(reader, collector);
  }

  /** Reads one record, unless it is blank. @returns where the next one begins */
  readOne(start: number): number {
    const { bytes } = this;
    const end = this.borders.next(bytes, start);
    const stop = end === -1 ? bytes.length : end;
    if (!isBlank(bytes, start, stop)) this.read(decodeStrict(bytes.subarray(start, stop)));
    return stop;
  }

  /** Reads all records from here on, at less cost than one by one. */
  readRest(start: number): void {
    const { bytes, format } = this;
    const text = decodeStrict(bytes.subarray(start));
    if (text !== undefined && (format === 'ndjson' || !text.includes('"'))) {
      for (const line of text.split('\n')) if (!isBlankText(line)) this.read(line);
      return;
    }
    for (let at = start; at < bytes.length; ) at = this.readOne(at);
  }
}

function readJsonRow(reader: RowReader, collector: RowCollector): ReadRecord {
  return (record) => {
    if (record === undefined) return collector.reject(NOT_UTF8);
    if (isNestedTooDeep(record)) return collector.reject(TOO_DEEP);
    let row: unknown;
    try {
      row = JSON.parse(collector.atStart && record.startsWith('\uFEFF') ? record.slice(1) : record);
    } catch {
      return collector.reject({ code: 'malformed_json', message: 'the line is not valid JSON' });
    }
    const id = reader.idOf(row);
    if (typeof id === 'object') return collector.reject(id);
    const problem = reader.read(row, collector.inputs, collector.validRows);
    if (problem === undefined) collector.accept(id);
    else collector.reject(problem, id);
  };
}

function readCsvRow(reader: RowReader, collector: RowCollector, columns: readonly CsvColumn[]): ReadRecord {
  const idColumn = columns.indexOf(ID_KEY);
  return (record) => {
    if (record === undefined) return collector.reject(NOT_UTF8);
    const fields = parseRecord(withoutLineEnd(record));
    if (fields === undefined) {
      return collector.reject({ code: 'malformed_csv', message: brokenQuotes(record) });
    }
    const id = reader.checkId(idColumn === -1 || fields[idColumn] === '' ? undefined : fields[idColumn]);
    if (typeof id === 'object') return collector.reject(id);
    const problem = reader.readFields(fields, columns, collector.inputs, collector.validRows);
    if (problem === undefined) collector.accept(id);
    else collector.reject(problem, id);
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

export const NOT_UTF8: RowProblem = { code: 'invalid_utf8', message: 'the record is not valid UTF-8' };

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
