/** Whether a finished task's result is what it has to be, by an undisturbed run of the same body and by its own ledger. */
import { HALTED_ROW_CODES, outcomeOf, type RowCode } from '@millrace/batch/errors';
import { finalStatus, type Outcome } from '@millrace/batch/ledger';
import type { TaskView } from './ledger-watch.js';

/** What the same body comes to when nothing happens. */
export interface Reference {
  /** The lines of its NDJSON, in order. */
  lines: readonly string[];
  /** The end of its JSON, from the predictions on. */
  json: string;
}

export interface Result {
  view: TaskView;
  lines: readonly string[];
  json: string;
}

interface Row {
  row: number;
  id?: string;
  prediction?: unknown;
  error?: { code: RowCode; message: string };
}

/** Where in a JSON answer the result begins. */
const RESULT_START = ',"predictions":[';
/** Beyond this the same is said again and again. */
const PROBLEMS_MAX = 5;

/** The part of a JSON answer that two runs of one body have in common. */
export function resultPart(json: string): string {
  return json.slice(Math.max(0, json.indexOf(RESULT_START)));
}

/** The lines of an NDJSON answer. */
export function linesOf(ndjson: string): string[] {
  return ndjson.split('\n').slice(0, -1);
}

/** What is wrong with a result; empty when nothing is. */
export function resultProblems(result: Result, reference: Reference): string[] {
  const rows = result.lines.map((line) => JSON.parse(line) as Row);
  const problems = [
    ...rowProblems(result.lines, rows, reference),
    ...countProblems(result.view, rows),
    ...jsonProblems(result.json, rows),
  ];
  const isWhole = !rows.some(isHalted);
  if (isWhole && result.json !== reference.json) problems.push('the JSON is not that of the undisturbed run');
  return problems.slice(0, PROBLEMS_MAX);
}

/** Each row is there once, in order, and is the reference's, unless its task ended before its turn. */
function rowProblems(lines: readonly string[], rows: readonly Row[], reference: Reference): string[] {
  const problems = rows.flatMap((row, at) => {
    if (row.row !== at) return [`line ${at} is row ${row.row}`];
    if (isHalted(row) || lines[at] === reference.lines[at]) return [];
    return [`row ${at} is ${lines[at]} and was ${reference.lines[at]}`];
  });
  if (rows.length !== reference.lines.length) {
    problems.unshift(`there are ${rows.length} rows and were ${reference.lines.length}`);
  }
  return problems;
}

function countProblems({ status, rows: ledger }: TaskView, rows: readonly Row[]): string[] {
  const counted = new Map<Outcome, number>();
  for (const row of rows) counted.set(outcome(row), (counted.get(outcome(row)) ?? 0) + 1);
  const { total, ...outcomes } = ledger;
  const problems = Object.entries(outcomes).flatMap(([name, count]) => {
    const found = counted.get(name as Outcome) ?? 0;
    return found === count ? [] : [`${found} rows are ${name}, and the ledger says ${count}`];
  });
  if (total !== rows.length) problems.push(`the ledger has ${total} rows, the result ${rows.length}`);
  if (finalStatus(ledger) !== status)
    problems.push(`the status is ${status}, with ${JSON.stringify(ledger)}`);
  return problems;
}

/** Both forms of a result say the same. */
function jsonProblems(json: string, rows: readonly Row[]): string[] {
  const { predictions, errors } = JSON.parse(`{${json.slice(1)}`) as {
    predictions: unknown[];
    errors: { row: number; id?: string; code: string; message: string }[];
  };
  const shown = errors.map(({ row, id, code, message }) => [row, id, code, message]);
  const expected = rows.flatMap(({ row, id, error }) =>
    error ? [[row, id, error.code, error.message]] : [],
  );
  const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  return [
    ...(isSame(
      predictions,
      rows.map(({ prediction }) => prediction ?? null),
    )
      ? []
      : ['JSON and NDJSON differ in predictions']),
    ...(isSame(shown, expected) ? [] : ['JSON and NDJSON differ in errors']),
  ];
}

function isHalted({ error }: Row): boolean {
  return error !== undefined && (HALTED_ROW_CODES as readonly string[]).includes(error.code);
}

function outcome(row: Row): Outcome {
  if (row.error === undefined) return 'succeeded';
  return isHalted(row) ? (row.error.code as 'cancelled' | 'expired') : outcomeOf(row.error.code);
}
