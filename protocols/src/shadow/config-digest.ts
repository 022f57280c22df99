import type { Json, JsonObject } from './document.ts';

/** FNV-1a, 64 bits: it tells settings apart that one operator makes, it need not withstand anybody. */
const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;
const MASK = 0xffffffffffffffffn;

/**
 * Names a configuration, so that a device can say which one runs in a few bytes.
 *
 * @returns 16 hexadecimal digits, the same whatever the order of the keys; undefined for none, and for an empty one
 */
export function configDigest(config: JsonObject | undefined): string | undefined {
  if (config === undefined || Object.keys(config).length === 0) return undefined;
  let hash = OFFSET;
  for (const byte of new TextEncoder().encode(JSON.stringify(inOrder(config)))) {
    hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  }
  return hash.toString(16).padStart(16, '0');
}

/** As lists of pairs: keys that look like numbers would not stay in any order given to them. */
function inOrder(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return [0, ...value.map(inOrder)];
  const keys = Object.keys(value).sort();
  return [1, ...keys.map((key) => [key, inOrder(value[key]!)])];
}
