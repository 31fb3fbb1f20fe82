/** How deep JSON may be nested, found out before it is parsed: a parser pays for every open bracket with a hundred bytes. */

/** Deeper than any row and any list of rows in its envelope. */
export const NESTING_MAX = 64;

/** True for a text with arrays and objects within each other to more than `NESTING_MAX` levels, whether it is JSON or not. */
export function isNestedTooDeep(json: string): boolean {
  // Most texts have few brackets, which is seen much faster than how they are nested.
  return (hasMany(json, '[') || hasMany(json, '{')) && isDeep(json);
}

function hasMany(json: string, bracket: string): boolean {
  let at = -1;
  for (let found = 0; found <= NESTING_MAX / 2; found++) {
    at = json.indexOf(bracket, at + 1);
    if (at === -1) return false;
  }
  return true;
}

const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Counts brackets outside of strings. */
function isDeep(json: string): boolean {
  let depth = 0;
  let isString = false;
  for (let index = 0; index < json.length; index++) {
    const code = json.charCodeAt(index);
    if (isString) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) isString = false;
    } else if (code === QUOTE) isString = true;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      if (++depth > NESTING_MAX) return true;
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--;
  }
  return false;
}
