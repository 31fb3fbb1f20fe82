/** One line of the CSV result. */
import type { ResultRow } from './read-chunk.js';

export const CSV_HEADER = 'row,id,prediction,error_code,error_message\r\n';

export function toCsvLine({ row, id, prediction, error }: ResultRow): string {
  return toLine([row, id ?? '', csvValue(prediction), error?.code ?? '', error?.message ?? '']);
}

/** A prediction is JSON text; one that is a string, as an int64 beyond 2^53 is, stands in CSV as what it spells. */
function csvValue(prediction = ''): string {
  return prediction.startsWith('"') ? (JSON.parse(prediction) as string) : prediction;
}

/** Stands in place of the rows when the task as a whole came to nothing. */
export function taskErrorLine({ code, message }: { code: string; message: string }): string {
  return toLine(['', '', '', code, message]);
}

function toLine(fields: readonly (string | number)[]): string {
  return `${fields.map((field) => quote(String(field))).join(',')}\r\n`;
}

function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
