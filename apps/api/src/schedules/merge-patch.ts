/** JSON Merge Patch, RFC 7396. */
import { isObject, type JsonObject } from './json-request.js';

/** The object with the members of the patch in place of its own; `null` takes one away. Neither is changed. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isObject(value) ? mergePatch(objectIn(merged.get(name)), value) : value);
  }
  // Not by assignment: `__proto__` is a name like any other.
  return Object.fromEntries(merged);
}

function objectIn(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
