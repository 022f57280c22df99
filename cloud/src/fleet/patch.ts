import type { Json, JsonObject } from '@weir/protocols';

/**
 * What must be merged into `from` to make it `to`: only what differs, null for what is gone.
 * @returns undefined when nothing differs
 * @see AWS IoT developer guide, device-shadow-document: null deletes a key, arrays are replaced whole
 */
export function mergePatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch[key] = null;
  for (const [key, wanted] of Object.entries(to)) {
    const found = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isObject(found) && isObject(wanted)) {
      const inner = mergePatch(found, wanted);
      if (inner !== undefined) patch[key] = inner;
    } else if (!sameJson(found, wanted)) patch[key] = wanted;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameJson(a: Json | undefined, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, i) => sameJson(each, b[i]!));
  }
  if (isObject(a) && isObject(b)) return mergePatch(a, b) === undefined;
  return a === b;
}
