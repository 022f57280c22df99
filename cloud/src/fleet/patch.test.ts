import { type JsonObject, updateShadow } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergePatch } from './patch.ts';

const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.array(fc.integer(), { maxLength: 3 }));
const { object } = fc.letrec<{ object: JsonObject; value: JsonObject[string] }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('object')),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { maxKeys: 4 }) as fc.Arbitrary<JsonObject>,
}));

const limits = { bytesMax: 1_000_000, depthMax: 20 };
const wrap = (inner: JsonObject) => ({ state: { desired: { deployments: inner } } });

test('a shadow that takes the patch holds exactly what is wanted, whatever it held', () => {
  fc.assert(
    fc.property(object, object, (from, to) => {
      const patch = mergePatch(from, to);
      const before = updateShadow(undefined, wrap(from), 1, limits);
      const after = patch === undefined ? before : updateShadow(before, wrap(patch), 2, limits);
      expect(after.state.desired!.deployments).toEqual({ ...to });
      expect(mergePatch(to, to)).toBeUndefined();
    }),
  );
});
