/** Fields of a schedule whose refusals say what is wrong with them and what would be right. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { describe } from '@millrace/batch/rows/describe';
import { z } from 'zod';
import { templateProblem } from './template.js';

type Issue = z.core.$ZodRawIssue;

/** For a value that is missing or is not what it must be: `must be a whole number from 1 to 60, not the string "5"`. */
export function mustBe(what: string): { error: (issue: Issue) => string } {
  return {
    error: ({ input }) =>
      input === undefined ? `is missing; must be ${what}` : `must be ${what}, not ${describe(input)}`,
  };
}

export function text(what: string, form: RegExp): z.ZodString {
  return z.string(mustBe(what)).regex(form, mustBe(what));
}

export function wholeNumber(what: string, min: number, max: number): z.ZodInt {
  const message = mustBe(`a whole number of ${what} from ${min} to ${max}`);
  return z.int(message).min(min, message).max(max, message);
}

export function oneOf<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z.enum(names, { error: ({ input }) => notOneOf(names, input) });
}

/** Objects by their `kind`. */
export function byKind<const Kinds extends readonly [KindOf, ...KindOf[]]>(kinds: Kinds) {
  const names = kinds.flatMap(({ shape }) => [...shape.kind.values]);
  return z.discriminatedUnion('kind', kinds, {
    error: ({ code, input }) =>
      code === 'invalid_union' ? notOneOf(names, (input as { kind?: unknown }).kind) : undefined,
  });
}
type KindOf = z.ZodObject<{ kind: z.ZodLiteral<string> }>;

function notOneOf(names: readonly string[], input: unknown): string {
  const listed = [names.slice(0, -1).join(', '), names.at(-1)].filter((each) => each !== '').join(' or ');
  if (input === undefined) return `is missing; must be ${listed}`;
  return `must be ${listed}, not ${describe(input)}${typeof input === 'string' ? didYouMean(input, names) : ''}`;
}

/** A text of one line with placeholders. */
export function template(what: string, lengthMax = 1024): z.ZodString {
  return z
    .string(mustBe(what))
    .min(1, mustBe(what))
    .max(lengthMax, `must be at most ${lengthMax} characters long`)
    .refine((given) => !/\p{Cc}/u.test(given), 'must not hold control characters')
    .superRefine((given, context) => addProblem(context, templateProblem(given)));
}

/** @param message what is wrong with the value; undefined when nothing is */
export function addProblem(context: z.RefinementCtx, message: string | undefined): void {
  if (message !== undefined) context.addIssue({ code: 'custom', message });
}

/** What is said where a field says nothing of its own. */
export function fallbackMessage(issue: Issue): string | undefined {
  return issue.code === 'invalid_type' ? mustBe(nounOf(issue.expected)).error(issue) : undefined;
}

function nounOf(type: string): string {
  const nouns: Record<string, string> = {
    object: 'an object',
    record: 'an object',
    array: 'a list',
    string: 'a text',
    boolean: 'true or false',
    number: 'a number',
  };
  return nouns[type] ?? type;
}
