import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyDeployment } from './deployment.ts';
import { addSignature } from './envelope.ts';
import { keyIdOf, signingKeyOf } from './keys.ts';
import { releaseFields, verifyBundle, verifyRelease } from './release.ts';
import { verifyRoot } from './root.ts';
import { KEYS, NOW, role, signed, testBundle, testRelease, testRoot, testStatement } from './trust.fixture.ts';
import type { Verdict } from './verdict.ts';

const root = testRoot();
const { bytes, hash, bundle } = testBundle();
const wanted = { name: 'too-warm', kind: 'rule' as const, hash, bytes: bytes.length };
const release = (envelope: string, floor = 0) => verifyRelease(envelope, { root, now: NOW, floor }, wanted);
const deployment = (envelope: string) =>
  verifyDeployment(envelope, { root, now: NOW, device: 'gw1', known: { sequence: 5, deployments: {} } });
const codeOf = (verdict: Verdict<unknown>) => (verdict.ok ? 'accepted' : verdict.code);

test('a key is named by the SHA-256 of its raw bytes, and the seed alone makes it', () => {
  // RFC 8032 section 7.1, test 1
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  const key = signingKeyOf(seed);
  expect(Buffer.from(key.public, 'base64').toString('hex')).toBe(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  );
  expect(Buffer.from(key.sign(new Uint8Array())).toString('hex').slice(0, 16)).toBe('e5564300c360ac72');
  expect(key.keyid).toBe(keyIdOf(key.public));
});

describe('what is as it should be is taken', () => {
  test('the first root, its successor by the same keys, and by other keys that the old ones approve', () => {
    const next = testRoot({ version: 2 });
    const moved = testRoot({ version: 2, roles: { ...root.roles, root: role([KEYS.secondRoot]) } });
    expect(codeOf(verifyRoot(undefined, signed.root(), NOW))).toBe('accepted');
    expect(codeOf(verifyRoot(root, signed.root(next), NOW))).toBe('accepted');
    const both = addSignature(signed.root(moved), KEYS.secondRoot);
    expect(codeOf(verifyRoot(root, both, NOW))).toBe('accepted');
    expect(codeOf(verifyRoot(root, addSignature(both, KEYS.root), NOW))).toBe('accepted');
  });

  test('a release, its bundle, and a statement: the next one, the same one again, and one after a hundred unseen', () => {
    const verdict = release(signed.release());
    expect(verdict).toMatchObject({ ok: true, value: releaseFields(bytes, bundle) });
    expect(codeOf(verifyBundle(bytes, { ...testRelease(), type: 'weir-release' }))).toBe('accepted');
    for (const sequence of [5, 6, 105]) {
      expect(codeOf(deployment(signed.deployment(testStatement({ sequence }))))).toBe('accepted');
    }
  });
});

test.each([
  ['root', signed.root(testRoot({ version: 2 })), (text: string) => verifyRoot(root, text, NOW)],
  ['release', signed.release(), release],
  ['deployment', signed.deployment(), deployment],
] as const)('no change of a single bit of a signed %s is ever taken', (_kind, envelope, verify) => {
  const whole = Buffer.from(envelope);
  expect(codeOf(verify(envelope))).toBe('accepted');
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(7), (at, bit) => {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1 << bit;
      expect(codeOf(verify(changed.toString('utf8')))).not.toBe('accepted');
    }),
    { numRuns: 500 },
  );
});
