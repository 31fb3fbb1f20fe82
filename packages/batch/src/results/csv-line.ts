/** One line of the CSV result. */
import type { ResultRow } from './read-chunk.js';

export const CSV_HEADER = 'row,id,prediction,error_code,error_message\r\n';

export function toCsvLine({ row, id, prediction, error }: ResultRow): string {
  const fields = [row, id ?? '', csvValue(prediction), error?.code ?? '', error?.message ?? ''];
  return `${fields.map((field) => quote(String(field))).join(',')}\r\n`;
}

/** A prediction is JSON text; one that is a string, as an int64 beyond 2^53 is, stands in CSV as what it spells. */
function csvValue(prediction = ''): string {
  return prediction.startsWith('"') ? (JSON.parse(prediction) as string) : prediction;
}

function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
