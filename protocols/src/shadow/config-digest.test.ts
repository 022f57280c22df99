import fc from 'fast-check';
import { expect, test } from 'vitest';
import { configDigest } from './config-digest.ts';
import type { JsonObject } from './document.ts';

test('the same configuration has the same name in whatever order a store gives it back; none has none', () => {
  const one = configDigest({ limit: 80, 2: [1, { b: null, a: 'x' }] });
  expect(one).toBe(configDigest({ 2: [1, { a: 'x', b: null }], limit: 80 }));
  expect(one).toMatch(/^[0-9a-f]{16}$/);
  expect([configDigest(undefined), configDigest({})]).toEqual([undefined, undefined]);
});

test('the hub of one version and the agent of another must come to the same', () => {
  expect(configDigest({ limit: 80 })).toBe('011dd00fad110421');
});

test('another configuration has another name, also where an object only looks like a list', () => {
  expect(configDigest({ a: [['b', 1]] })).not.toBe(configDigest({ a: { b: 1 } }));
  expect(configDigest({ a: [] })).not.toBe(configDigest({ a: {} }));
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (config, key) => {
      const changed = { ...config, [`${key}+`]: 1, last: 2 };
      expect(configDigest(changed as JsonObject)).not.toBe(configDigest(config as JsonObject));
    }),
  );
});
