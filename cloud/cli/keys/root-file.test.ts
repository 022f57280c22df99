import { type Root, rootSchema } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import {
  firstRoot,
  keyOfRoot,
  type NamedKey,
  type RootStatement,
  renewedRoot,
  signaturesMissing,
  withKey,
  withoutKey,
  withReplaced,
} from './root-file.ts';

const key = (digit: string, name?: string): NamedKey => ({
  keyid: digit.repeat(64),
  public: `${digit.repeat(43)}=`,
  ...(name !== undefined && { name }),
});
const [a, b, c, release, hub] = ['a', 'b', 'c', '1', '2'].map((digit) => key(digit)) as [
  NamedKey,
  NamedKey,
  NamedKey,
  NamedKey,
  NamedKey,
];
const whole = (statement: RootStatement): Root => rootSchema.parse({ type: 'weir-root', ...statement });
const first = whole(firstRoot({ root: [a], threshold: 1, release, hub, expires: 10 }));
const expires = 20;

test('the first one names its keys, and no more', () => {
  expect(first).toMatchObject({
    version: 1,
    expires: 10,
    roles: { root: { keyids: [a.keyid], threshold: 1 }, release: { keyids: [release.keyid] } },
    revoked: [],
  });
  expect(Object.keys(first.keys).sort()).toEqual([hub.keyid, release.keyid, a.keyid].sort());
  expect(() => firstRoot({ root: [a], threshold: 2, release, hub, expires })).toThrow('need 2 signatures');
});

test('a key is added, its threshold raised, and each step is the next version', () => {
  const second = whole(withKey(first, 'root', b, { expires }));
  const third = whole(withKey(second, 'root', c, { threshold: 2, expires }));
  expect(third).toMatchObject({ version: 3, expires: 20, roles: { root: { threshold: 2 } } });
  expect(third.roles.root.keyids).toEqual([a.keyid, b.keyid, c.keyid]);
  expect(() => withKey(third, 'root', a, { expires })).toThrow('has the role root already');
  expect(whole(withKey(third, 'release', a, { expires })).roles.release.keyids).toContain(a.keyid);
});

test('a key that is revoked is in no role, and never comes back', () => {
  const second = whole(withKey(first, 'release', b, { expires }));
  const third = whole(withoutKey(second, b.keyid, { expires }));
  expect(third.revoked).toEqual([b.keyid]);
  expect(JSON.stringify([third.keys, third.roles])).not.toContain(b.keyid);
  expect(() => withKey(third, 'release', b, { expires })).toThrow('is revoked, which is for ever');
  expect(() => withoutKey(third, release.keyid, { expires })).toThrow('the role release would need 1 signatures');
  const two = whole(withKey(first, 'root', b, { threshold: 2, expires }));
  expect(() => withoutKey(two, b.keyid, { expires })).toThrow('would need 2 signatures and have 1 keys');
  expect(whole(withoutKey(two, b.keyid, { threshold: 1, expires })).roles.root.threshold).toBe(1);
});

test('one that is replaced is revoked, unless it has another role', () => {
  const next = whole(withReplaced(first, 'root', { old: [a.keyid], key: b }, expires));
  expect([next.roles.root.keyids, next.revoked]).toEqual([[b.keyid], [a.keyid]]);
  const both = whole(withKey(first, 'release', a, { expires }));
  const kept = whole(withReplaced(both, 'root', { old: [a.keyid], key: b }, expires));
  expect([kept.revoked, kept.roles.release.keyids]).toEqual([[], [release.keyid, a.keyid]]);
});

test('renewed, it is the same for longer', () => {
  expect(renewedRoot(first, expires)).toEqual({ ...{ ...first, type: undefined }, version: 2, expires: 20 });
});

describe('how many signatures are missing', () => {
  const two = whole({ ...firstRoot({ root: [a, b, c], threshold: 2, release, hub, expires }) });
  const moved = withReplaced(two, 'root', { old: [a.keyid], key: release }, expires);
  test.each([
    [[], 2],
    [[a], 2],
    [[b], 1],
    [[a, b], 1],
    [[b, c], 0],
    [[a, b, release], 0],
    [[hub, a], 2],
  ])('%#', (signed, missing) => {
    expect(
      signaturesMissing(
        signed.map(({ keyid }) => keyid),
        two,
        moved,
      ),
    ).toBe(missing);
  });
});

test('a key is found by the first digits of its id', () => {
  expect(keyOfRoot(first, 'aaaaaaaa')).toBe(a.keyid);
  expect(() => keyOfRoot(first, 'ffffffff')).toThrow('no key of the root file begins');
});
