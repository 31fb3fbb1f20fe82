/** The JSON body: a list of rows, or an envelope with the rows and the options. */
import { BatchError } from '@millrace/batch/errors';
import { isNestedTooDeep, NESTING_MAX } from '@millrace/batch/rows/nesting';
import { parseParameters } from '../query.js';
import { SubmitOptions } from './options.js';

export interface JsonSubmission {
  rows: unknown[];
  options: SubmitOptions;
  /** JSON pointer to the list of rows. */
  pointer: string;
}

/** @throws BatchError `malformed_body`, `invalid_body`, `unknown_parameter`, `invalid_parameter`, `empty_batch` */
export function parseJsonBody(bytes: Uint8Array): JsonSubmission {
  const submission = unwrap(parseJson(bytes));
  if (submission.rows.length === 0) throw new BatchError('empty_batch', 'the list of rows is empty');
  return submission;
}

function unwrap(body: unknown): JsonSubmission {
  if (Array.isArray(body)) return { rows: body, options: {}, pointer: '' };
  if (typeof body !== 'object' || body === null) {
    throw new BatchError(
      'invalid_body',
      'the body must be a list of rows, or an object with the rows under "inputs"',
    );
  }
  const { inputs, ...options } = body as Record<string, unknown>;
  if (!Array.isArray(inputs)) {
    const members = Object.keys(options).slice(0, MEMBERS_SHOWN);
    const hint = inputs === undefined ? `; it has ${members.map(quoted).join(', ') || 'no member'}` : '';
    throw new BatchError('invalid_body', `an object body must have its list of rows under "inputs"${hint}`);
  }
  return { rows: inputs, options: parseParameters(SubmitOptions, options, 'member'), pointer: '/inputs' };
}

const MEMBERS_SHOWN = 5;

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}

/** @throws BatchError `malformed_body`, `invalid_body` */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new BatchError('malformed_body', 'the body is not UTF-8', {}, { cause });
  }
  if (isNestedTooDeep(text)) {
    throw new BatchError('invalid_body', `the body is nested deeper than ${NESTING_MAX} levels`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BatchError(
      'malformed_body',
      `the body is not JSON: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
}

/** The rows as they are stored: one line each. */
export function toLines(rows: readonly unknown[]): Uint8Array {
  return new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
