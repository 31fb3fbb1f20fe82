/** Parameters, checked by name and value. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { BatchError } from '@millrace/batch/errors';
import { shorten } from '@millrace/batch/rows/describe';
import { z } from 'zod';

/** Of an operation without parameters. */
export const NoQuery = z.object({});

/**
 * @param where what the parameters are called in a message, for example `query parameter`
 * @throws BatchError `unknown_parameter`, `invalid_parameter`
 */
export function parseParameters<Schema extends z.ZodObject>(
  schema: Schema,
  values: Record<string, unknown>,
  where: string,
): z.infer<Schema> {
  const known = Object.keys(schema.shape);
  for (const name of Object.keys(values)) {
    if (known.includes(name)) continue;
    throw new BatchError(
      'unknown_parameter',
      `there is no ${where} "${shorten(name)}"${didYouMean(name, known)}`,
      {
        parameter: name,
      },
    );
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue?.path[0]);
  throw new BatchError('invalid_parameter', `${where} "${name}": ${issue?.message}`, { parameter: name });
}
