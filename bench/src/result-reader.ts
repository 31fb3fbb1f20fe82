/** Hands the predictions of a result to a check: of JSON, NDJSON, CSV, Arrow. */
import { tableFromIPC } from 'apache-arrow';
import { DifferenceError, type PredictionCheck } from './prediction-check.js';

export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** @param body `{"predictions": […]}` @throws DifferenceError */
export function checkJson(body: Uint8Array, check: PredictionCheck): void {
  const { predictions } = JSON.parse(new TextDecoder().decode(body)) as { predictions?: unknown };
  if (!Array.isArray(predictions)) throw new DifferenceError('the result has no predictions');
  for (const prediction of predictions) check.take(prediction);
  check.end();
}

/** Some rows of a page, after those that the check has taken. @throws DifferenceError */
export function checkPage(
  rows: readonly { row: number; prediction: unknown }[],
  check: PredictionCheck,
): void {
  for (const { row, prediction } of rows) {
    assertRow(row, check.next, `row ${row}`);
    check.take(prediction);
  }
}

/** Lines like `{"row":0,"prediction":2}`, whose rows count from 0. @throws DifferenceError */
export async function checkNdjson(pieces: Pieces, check: PredictionCheck): Promise<void> {
  await eachLine(pieces, (line) => {
    const { row, prediction } = JSON.parse(line) as { row?: unknown; prediction?: unknown };
    assertRow(row, check.next, line);
    check.take(prediction);
  });
  check.end();
}

/**
 * Records like `0,,2,,` below a header, of predictions without quotes.
 * @param isNumber the predictions are numbers, not texts
 * @throws DifferenceError
 */
export async function checkCsv(pieces: Pieces, check: PredictionCheck, isNumber: boolean): Promise<void> {
  let isHeader = true;
  await eachLine(pieces, (line) => {
    const [row, , prediction] = line.split(',');
    if (!isHeader) {
      assertRow(Number(row), check.next, line);
      // A row that failed has no prediction, and `Number('')` is that of a class.
      check.take(isNumber && prediction !== '' ? Number(prediction) : prediction);
    }
    isHeader = false;
  });
  check.end();
}

/**
 * A column of row numbers, which count from 0, and one of labels that are numbers.
 * @param stream of Arrow IPC @throws DifferenceError
 */
export function checkArrow(stream: Uint8Array, check: PredictionCheck): void {
  const table = tableFromIPC(stream);
  const rows = table.getChild('row');
  const labels = table.getChild('label');
  for (let at = 0; at < table.numRows; at++) {
    const row = withoutBigint(rows?.get(at));
    assertRow(row, check.next, `row ${row}`);
    check.take(withoutBigint(labels?.get(at)));
  }
  check.end();
}

/** As JSON has it, what is a 64-bit integer in Arrow. */
function withoutBigint(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function assertRow(found: unknown, row: number, line: string): void {
  if (found !== row) throw new DifferenceError(`where row ${row} should be is ${line.slice(0, 80)}`);
}

async function eachLine(pieces: Pieces, use: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) use(line.endsWith('\r') ? line.slice(0, -1) : line);
  }
  if (rest !== '') use(rest);
}
