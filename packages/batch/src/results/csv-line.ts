/** One line of the CSV result. */
import type { ResultRow } from './read-chunk.js';

export const CSV_HEADER = 'row,id,prediction,error_code,error_message\r\n';

export function toCsvLine({ row, id, prediction, error }: ResultRow): string {
  const fields = [row, id ?? '', prediction ?? '', error?.code ?? '', error?.message ?? ''];
  return `${fields.map((field) => quote(String(field))).join(',')}\r\n`;
}

function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
