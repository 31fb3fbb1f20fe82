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

/** A JSON body whose rows are not parsed. */
export interface OpenedBody {
  options: SubmitOptions;
  /** The list of rows, from its bracket to its bracket. */
  list: Uint8Array;
}

/** Finds the list of rows between the first bracket and the last; undefined where that would be hard to find or is none. */
export function openJsonBody(bytes: Buffer): OpenedBody | undefined {
  const start = bytes.indexOf('[');
  const end = bytes.lastIndexOf(']') + 1;
  const isPlain = start !== -1 && start < end && bytes.length - (end - start) <= ENVELOPE_BYTES_MAX;
  if (!isPlain) return undefined;
  const around = Buffer.concat([bytes.subarray(0, start), EMPTY_LIST, bytes.subarray(end)]);
  try {
    // Around it are no other two brackets that could be a list: when there is one, it is this.
    const { options } = unwrap(parseJson(around));
    return { options, list: bytes.subarray(start, end) };
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}

/** Options are short; what is longer has something else in it. */
const ENVELOPE_BYTES_MAX = 4096;
const EMPTY_LIST = Buffer.from('[]');

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

/** Rows that were parsed, as they are stored: one line each. */
export function toLines(rows: readonly unknown[]): Uint8Array {
  return new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
