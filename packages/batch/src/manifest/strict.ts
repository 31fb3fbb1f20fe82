/** Objects that refuse keys they do not know, with the key that was probably meant. */
import { z } from 'zod';
import { didYouMean } from '../did-you-mean.js';

export function strict<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const hints = issue.keys.map((key) => `"${key}"${didYouMean(key, known)}`);
      return `unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${hints.join(', ')}`;
    },
  });
}

/** A record by name. One with a `__proto__` is refused: it would be passed over without a word. */
export function record<Value extends z.ZodType>(name: z.ZodString, value: Value) {
  const isPassedOver = (given: unknown) =>
    typeof given === 'object' && given !== null && Object.hasOwn(given, '__proto__');
  return z
    .unknown()
    .refine((given) => !isPassedOver(given), 'must not name "__proto__"')
    .pipe(z.record(name, value));
}

/** @property field where it is: `features[2].min`; empty for the value as a whole */
export interface Problem {
  field: string;
  message: string;
}

export function listProblems(error: z.ZodError): Problem[] {
  return error.issues.map((issue) => ({ field: fieldOf(issue.path), message: messageOf(issue) }));
}

/** Every problem of a value, each with its place: `features[2].min: …`. */
export function problemsOf(error: z.ZodError): string {
  return joinProblems(listProblems(error));
}

export function joinProblems(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
}

/** What is wrong with a key is told by an issue within the issue. */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
}

function fieldOf(path: readonly PropertyKey[]): string {
  const field = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return field.replace(/^\./, '');
}
