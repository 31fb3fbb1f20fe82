/** One line of the NDJSON result: `{"row":0,"id":…,"prediction":…}` or `{"row":7,"error":{…}}`. */
import type { RowError, RowId } from '../errors.js';

/** The line up to its last member, without the closing brace. */
export function lineHead(row: number, id: RowId | undefined | null): string {
  return id === undefined || id === null ? `{"row":${row}` : `{"row":${row},"id":${JSON.stringify(id)}`;
}

export function errorLine({ row, id, code, message }: RowError): string {
  return `${lineHead(row, id)},"error":${JSON.stringify({ code, message })}}\n`;
}
