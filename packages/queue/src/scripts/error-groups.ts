/** How the errors of a task's rows are kept by code, and the Lua that adds to them. */
import { HALTED_MESSAGES, type RowCode } from '@millrace/batch/errors';
import { type ErrorExample, type ErrorGroups, EXAMPLES_MAX } from '@millrace/batch/results/error-groups';

const ERROR_COUNT = 'errors:';
/** The code of which a field of the task hash says how many rows have it; undefined for a field of anything else. */
export const codeOfErrorCount = (field: string): RowCode | undefined =>
  field.startsWith(ERROR_COUNT) ? (field.slice(ERROR_COUNT.length) as RowCode) : undefined;
/** Of the chunks hash, which goes with the results: the first of them, as lines of the row and its example as JSON. */
export const examplesField = (code: RowCode): string => `examples:${code}`;

/**
 * Defines `add_examples(chunks_key, code, lines)`, which keeps those with the lowest rows. The lines are moved as they
 * are: decoded and encoded by Lua, large numbers in them would come to harm.
 */
export const EXAMPLES = `
local function row_of(line)
  return tonumber(string.match(line, '^%d+'))
end
local function add_examples(chunks_key, code, lines)
  local field = 'examples:' .. code
  local known = redis.call('HGET', chunks_key, field) or ''
  local all = {}
  for line in string.gmatch(known .. '\\n' .. lines, '[^\\n]+') do all[#all + 1] = line end
  table.sort(all, function(a, b) return row_of(a) < row_of(b) end)
  redis.call('HSET', chunks_key, field, table.concat(all, '\\n', 1, math.min(#all, ${EXAMPLES_MAX})))
end
`;

/** The groups of a chunk as the COMMIT script takes them: how many there are, then code, count, examples of each. */
export function errorArguments(groups: ErrorGroups): (string | number)[] {
  const entries = Object.entries(groups);
  const lines = (examples: readonly ErrorExample[]) =>
    examples.map((example) => `${example.row} ${JSON.stringify(example)}`).join('\n');
  return [
    entries.length,
    ...entries.flatMap(([code, { count, examples }]) => [code, count, lines(examples)]),
  ];
}

/** Reads the lines back. Those of halted rows, which a script wrote, have no message of their own. */
export function parseExamples(code: RowCode, lines: string): ErrorExample[] {
  const message = code === 'cancelled' || code === 'expired' ? { message: HALTED_MESSAGES[code] } : {};
  const texts = lines.split('\n').filter((line) => line !== '');
  return texts.map((line) => ({ ...JSON.parse(line.slice(line.indexOf(' '))), ...message }) as ErrorExample);
}
