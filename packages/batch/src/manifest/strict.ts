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

/** Every problem of a value, one a line, each with its place: `features[2].min: …`. */
export function problemsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${placeOf(issue.path)}${messageOf(issue)}`).join('; ');
}

/** What is wrong with a key is told by an issue within the issue. */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
}

function placeOf(path: readonly PropertyKey[]): string {
  const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return place === '' ? '' : `${place.replace(/^\./, '')}: `;
}
