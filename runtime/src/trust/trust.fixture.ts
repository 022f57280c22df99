/** Keys and statements for tests: a seed is a number, so that each run signs the same. */
import type { Bundle, DeploymentStatement, Release, Role, Root } from '@weir/protocols';
import { hashBundle, parseBundle } from '../bundle/bundle.ts';
import { signStatement } from './envelope.ts';
import { SEED_BYTES, type SigningKey, signingKeyOf } from './keys.ts';
import { releaseFields } from './release.ts';

export const NOW = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;

export function testKey(n: number): SigningKey {
  return signingKeyOf(new Uint8Array(SEED_BYTES).fill(n));
}

export const KEYS = {
  root: testKey(1),
  secondRoot: testKey(2),
  release: testKey(3),
  hub: testKey(4),
  stranger: testKey(9),
};

export function role(keys: readonly SigningKey[], threshold = 1): Role {
  return { keyids: keys.map(({ keyid }) => keyid), threshold };
}

/** Names every key of {@link KEYS} but the stranger's. */
export function testRoot(change: Partial<Root> = {}): Root {
  const { stranger: _, ...known } = KEYS;
  const keys = Object.values(known).map((key) => [key.keyid, { type: 'ed25519' as const, public: key.public }]);
  return {
    type: 'weir-root',
    version: 1,
    expires: NOW + 365 * DAY_MS,
    keys: Object.fromEntries(keys),
    roles: { root: role([KEYS.root]), release: role([KEYS.release]), deployment: role([KEYS.hub]) },
    revoked: [],
    ...change,
  };
}

export function testBundle(name = 'too-warm', above = 30) {
  const bundle = { weir: 1, kind: 'rule', rule: { name, metric: 'temperature', above } } as unknown as Bundle;
  const bytes = Buffer.from(JSON.stringify(bundle));
  return { bundle, bytes, hash: hashBundle(bytes) };
}

export function testRelease(change: Partial<Release> = {}, { bundle, bytes } = testBundle()): Omit<Release, 'type'> {
  const release = change.release ?? NOW - DAY_MS;
  return { ...releaseFields(bytes, bundle), release, floor: release, createdAt: NOW - DAY_MS, ...change };
}

export function testStatement(change: Partial<DeploymentStatement> = {}): Omit<DeploymentStatement, 'type'> {
  return { device: 'gw1', sequence: 5, issuedAt: NOW, expires: NOW + 3 * DAY_MS, deployments: {}, ...change };
}

/** Of a hub and its authors, for years. @param hub the key by which the hub signs */
export function rootOfHub(hub: SigningKey = KEYS.hub): string {
  const keys = [KEYS.root, KEYS.secondRoot, KEYS.release, hub].map((key) => {
    return [key.keyid, { type: 'ed25519' as const, public: key.public }];
  });
  const roles = { root: role([KEYS.root]), release: role([KEYS.release]), deployment: role([hub]) };
  return signed.root(testRoot({ expires: Date.UTC(2100, 0), keys: Object.fromEntries(keys), roles }));
}

/** The release of any bundle; a number that is low is one of long ago. */
export function releaseOfBundle(bytes: Uint8Array, release = 1, floor = 1, sparesLastGood = false): string {
  const fields = releaseFields(bytes, parseBundle(bytes));
  return signed.release({ ...fields, release, floor, createdAt: release, ...(sparesLastGood && { sparesLastGood }) });
}

export const signed = {
  root: (root = testRoot(), keys = [KEYS.root]) => signStatement('root', root, keys),
  release: (release = testRelease(), keys = [KEYS.release]) => signStatement('release', release, keys),
  deployment: (statement = testStatement(), keys = [KEYS.hub]) => signStatement('deployment', statement, keys),
};
