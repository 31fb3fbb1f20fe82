/** Validates rows that are already parsed, for requests that are refused whole when a row is bad. */
import { BatchError, LISTED_ROWS_MAX } from '../errors.js';
import { ID_KEY, type RowReader } from './row-reader.js';

export interface InvalidRow {
  row: number;
  /** JSON pointer (RFC 6901) into the request body; JSON only. */
  pointer?: string;
  code: string;
  message: string;
}

/**
 * @param pointer where the rows are in the request body: `""` for a bare list, `"/inputs"` inside an envelope
 * @throws BatchError `invalid_rows`
 */
export function validateRows(rows: readonly unknown[], reader: RowReader, pointer: string): void {
  const scratch = reader.allocate(1);
  const errors: InvalidRow[] = [];
  let invalid = 0;
  rows.forEach((row, index) => {
    const id = reader.idOf(row);
    const problem = typeof id === 'object' ? { ...id, feature: ID_KEY } : reader.read(row, scratch, 0);
    if (problem === undefined) return;
    invalid++;
    if (errors.length === LISTED_ROWS_MAX) return;
    const isObject = typeof row === 'object' && row !== null && !Array.isArray(row);
    const member = problem.feature !== undefined && isObject ? `/${escapePointer(problem.feature)}` : '';
    const { code, message } = problem;
    errors.push({ row: index, pointer: `${pointer}/${index}${member}`, code, message });
  });
  refuseInvalid({ rows: rows.length, invalid, errors });
}

/** What was found out about all rows of a request. */
export interface Checked {
  rows: number;
  invalid: number;
  /** The first of the invalid ones. */
  errors: readonly InvalidRow[];
}

/** @throws BatchError `invalid_rows` unless there are none */
export function refuseInvalid({ rows, invalid, errors }: Checked): void {
  if (invalid === 0) return;
  throw new BatchError('invalid_rows', `${invalid} of ${rows} rows cannot be predicted`, {
    invalid_rows: invalid,
    errors,
  });
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
