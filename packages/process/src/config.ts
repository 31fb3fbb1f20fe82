/** Reads a process's settings from its environment once, through one schema. */
import type { z } from 'zod';

/** Settings that do not hold; the message has one line for each and is meant for a person. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * An empty variable counts as absent.
 * @throws ConfigError that names every bad variable
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  env: NodeJS.ProcessEnv,
): z.infer<Schema> {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = schema.safeParse(set);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const name = issue.path.join('.');
    const value = withoutPasswords(env[name]);
    return `  ${name}${value === undefined ? '' : `=${value}`}: ${issue.message}`;
  });
  throw new ConfigError(`the environment has settings that do not hold:\n${lines.join('\n')}`);
}

/** What is wrong with a URL can be said without the passwords in it. */
function withoutPasswords(value: string | undefined): string | undefined {
  return value?.replace(/(:\/\/[^/?#:]*:)[^/?#]*@/, '$1***@').replace(/(password=)[^&#]*/g, '$1***');
}
