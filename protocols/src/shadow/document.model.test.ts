/**
 * The document against a model that knows no objects: a section is its leaves by path. A leaf is a scalar, a list, or an
 * object without fields.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Json, type JsonObject, type ShadowDocument, shadowDelta, updateShadow } from './document.ts';

type Path = string[];
interface Leaf {
  path: Path;
  value: Json;
  /** Of the update that set it. */
  at: number;
}
type Leaves = Leaf[];

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isUnder = (path: Path, above: Path) => above.every((step, at) => path[at] === step);
const isEmpty = ({ value }: Leaf) => isObject(value);

/** Leaves at a path and below give way, and so does a leaf above it. */
function cleared(leaves: Leaves, path: Path): Leaves {
  return leaves.filter((leaf) => !isUnder(leaf.path, path) && !isUnder(path, leaf.path));
}

function patched(leaves: Leaves, path: Path, patch: Json, at: number): Leaves {
  if (!isObject(patch)) {
    const rest = cleared(leaves, path);
    return patch === null ? rest : [...rest, { path, value: patch, at }];
  }
  // What is there and no object becomes one.
  const isThere = leaves.some((leaf) => isUnder(leaf.path, path) && (leaf.path.length > path.length || isEmpty(leaf)));
  let next = isThere ? leaves : cleared(leaves, path);
  for (const [key, child] of Object.entries(patch)) next = patched(next, [...path, key], child, at);
  const isFilled = next.some((leaf) => isUnder(leaf.path, path));
  return isFilled || path.length === 0 ? next : [...next, { path, value: {}, at }];
}

function built(leaves: Leaves, of: (leaf: Leaf) => Json): JsonObject | undefined {
  if (leaves.length === 0) return undefined;
  const root: JsonObject = {};
  for (const leaf of leaves) {
    let node = root;
    for (const step of leaf.path.slice(0, -1)) {
      node[step] ??= {};
      node = node[step] as JsonObject;
    }
    node[leaf.path.at(-1)!] = of(leaf);
  }
  return root;
}

function stamped(value: Json, timestamp: number): Json {
  if (Array.isArray(value)) return value.map((each) => stamped(each, timestamp));
  if (!isObject(value)) return { timestamp };
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, stamped(child, timestamp)]));
}

function valueAt(leaves: Leaves, path: Path): Json | undefined {
  const exact = leaves.find((leaf) => leaf.path.length === path.length && isUnder(leaf.path, path));
  if (exact !== undefined) return exact.value;
  return leaves.some((leaf) => isUnder(leaf.path, path)) ? {} : undefined;
}

/** Same whatever the order of keys. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, each) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  ) ?? 'undefined';

function isWanted({ path, value }: Leaf, reported: Leaves): boolean {
  const actual = valueAt(reported, path);
  return isObject(value) ? !isObject(actual) : canonical(actual) !== canonical(value);
}

const key = fc.constantFrom('a', 'b', 'c');
const scalar: fc.Arbitrary<Json> = fc.constantFrom(0, 1, 1.5, true, 'x', '');
const { patch } = fc.letrec<{ patch: JsonObject; json: Json; item: Json }>((tie) => ({
  item: fc.oneof(scalar, fc.dictionary(key, scalar, { maxKeys: 2, noNullPrototype: true })),
  json: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.constant(null),
    fc.array(tie('item'), { maxLength: 3 }),
    tie('patch'),
  ),
  patch: fc.dictionary(key, tie('json'), { maxKeys: 3, noNullPrototype: true }),
}));
const section = fc.oneof({ weight: 9, arbitrary: patch }, { weight: 1, arbitrary: fc.constant(null) });
const state = fc.oneof(
  { weight: 19, arbitrary: fc.record({ desired: section, reported: section }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: fc.constant(null) },
);

test('state, metadata and delta after any updates are those of the model', () => {
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 8 }), (states) => {
      const leaves: Record<'desired' | 'reported', Leaves> = { desired: [], reported: [] };
      let document: ShadowDocument | undefined;
      for (const [at, each] of states.entries()) {
        document = updateShadow(document, { state: each as never }, at);
        for (const name of ['desired', 'reported'] as const) {
          const given = each === null ? null : each[name];
          if (given === undefined) continue;
          leaves[name] = given === null ? [] : patched(leaves[name], [], given, at);
        }
        expect(document.version).toBe(at + 1);
        for (const name of ['desired', 'reported'] as const) {
          expect(canonical(document.state[name])).toBe(canonical(built(leaves[name], ({ value }) => value)));
          const stamps = built(leaves[name], ({ value, at: then }) => stamped(value, then));
          expect(canonical(document.metadata[name])).toBe(canonical(stamps));
        }
        const differing = leaves.desired.filter((leaf) => isWanted(leaf, leaves.reported));
        const delta = shadowDelta(document);
        expect(canonical(delta?.state)).toBe(canonical(built(differing, ({ value }) => value)));
        const stamps = built(differing, ({ value, at: then }) => stamped(value, then));
        expect(canonical(delta?.metadata)).toBe(canonical(stamps));
      }
    }),
    { numRuns: 500 },
  );
});
