/** Values of rows in the words of error messages. */

export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length} values`;
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(shorten(value))}`;
    case 'object':
      return 'an object';
    default:
      return String(value);
  }
}

/** @param length of what is left at most, in UTF-16 units */
export function shorten(text: string, length = 40): string {
  // Half of a surrogate pair would not survive UTF-8.
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
