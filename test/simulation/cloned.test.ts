import { expect, test } from 'vitest';
import { cloned } from './cloned.ts';

const VALUES: Record<string, unknown> = {
  primitives: [undefined, null, true, 0, -0, Number.NaN, 10n, ''],
  objects: { a: { b: [1, { c: undefined }] }, d: new Date(5) },
  bytes: [new Uint8Array([1, 2, 3]), Float64Array.of(0.5), Buffer.from('text')],
  collections: [new Map([['a', { b: 1 }]]), new Set([1])],
  'an instance': new (class {
    a = 1;
    get b() {
      return 2;
    }
  })(),
  'an error': new Error('no'),
};

test.each(Object.entries(VALUES))('%s arrive as they do from another thread', (_, value) => {
  expect(cloned(value)).toStrictEqual(structuredClone(value));
});

test('what is changed on one side is not changed on the other', () => {
  const sent = { list: [{ n: 1 }], bytes: new Uint8Array([1]) };
  const arrived = cloned(sent);
  sent.list[0]!.n = 2;
  sent.bytes[0] = 2;
  expect(arrived).toEqual({ list: [{ n: 1 }], bytes: new Uint8Array([1]) });
});

test.each([() => 1, Symbol('s'), { f: () => 1 }])('what cannot go to another thread cannot here', (value) => {
  expect(() => cloned<unknown>(value)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
});
