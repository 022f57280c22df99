/**
 * What the next root file says. Pure: who signs it, and whether that is enough, is another matter.
 *
 *     version N + 1 = version N, one thing changed, its time begun anew
 */
import type { Role, RoleName, Root } from '@weir/protocols';
import { Misuse } from '../failure.ts';

/** Without the word that says what it is, which is put there when it is signed. */
export type RootStatement = Omit<Root, 'type'>;

export interface NamedKey {
  keyid: string;
  /** Raw, base64. */
  public: string;
  /** For people: whose it is. */
  name?: string;
}

export interface FirstRoot {
  root: readonly NamedKey[];
  /** Of the role root. */
  threshold: number;
  release: NamedKey;
  hub: NamedKey;
  /** ms since epoch */
  expires: number;
}

/** @throws {Misuse} for a threshold that these keys cannot meet */
export function firstRoot({ root, threshold, release, hub, expires }: FirstRoot): RootStatement {
  return {
    version: 1,
    expires,
    keys: keysOf([...root, release, hub]),
    roles: {
      root: roleOf('root', ids(root), threshold),
      release: roleOf('release', [release.keyid], 1),
      deployment: roleOf('deployment', [hub.keyid], 1),
    },
    revoked: [],
  };
}

/** @param threshold of the role from now on; undefined: as it was. @throws {Misuse} */
export function withKey(
  root: Root,
  role: RoleName,
  key: NamedKey,
  { threshold, expires }: { threshold?: number | undefined; expires: number },
): RootStatement {
  requireNew(root, role, key);
  const keyids = [...root.roles[role].keyids, key.keyid];
  return successor(root, expires, {
    keys: { ...root.keys, ...keysOf([key]) },
    roles: { ...root.roles, [role]: roleOf(role, keyids, threshold ?? root.roles[role].threshold) },
  });
}

/** It never counts again. @throws {Misuse} when a role would have too few keys left */
export function withoutKey(
  root: Root,
  keyid: string,
  { threshold, expires }: { threshold?: number | undefined; expires: number },
): RootStatement {
  const left = (role: RoleName): Role => {
    const before = root.roles[role];
    if (!before.keyids.includes(keyid)) return before;
    return roleOf(
      role,
      before.keyids.filter((each) => each !== keyid),
      threshold ?? before.threshold,
    );
  };
  const { [keyid]: _, ...keys } = root.keys;
  return successor(root, expires, {
    keys,
    roles: { root: left('root'), release: left('release'), deployment: left('deployment') },
    revoked: [...root.revoked, keyid],
  });
}

/** @throws {Misuse} */
export function withReplaced(
  root: Root,
  role: RoleName,
  { old, key }: { old: readonly string[]; key: NamedKey },
  expires: number,
): RootStatement {
  requireNew(root, role, key);
  const { keyids, threshold } = root.roles[role];
  const gone = (each: string) => old.includes(each);
  const roles = { ...root.roles, [role]: { keyids: [...keyids.filter((each) => !gone(each)), key.keyid], threshold } };
  const isUsed = (each: string) => Object.values(roles).some((other) => other.keyids.includes(each));
  const revoked = old.filter((each) => !isUsed(each));
  const kept = Object.entries(root.keys).filter(([each]) => !revoked.includes(each));
  return successor(root, expires, {
    keys: { ...Object.fromEntries(kept), ...keysOf([key]) },
    roles,
    revoked: [...root.revoked, ...revoked],
  });
}

/** The same, for longer. */
export function renewedRoot(root: Root, expires: number): RootStatement {
  return successor(root, expires, {});
}

/** How many signatures are still needed: by the version before, and by its own word. */
export function signaturesMissing(
  signed: readonly string[],
  previous: Root | undefined,
  next: Pick<Root, 'roles'>,
): number {
  const missing = ({ keyids, threshold }: Role) => threshold - keyids.filter((keyid) => signed.includes(keyid)).length;
  const before = previous === undefined ? 0 : missing(previous.roles.root);
  return Math.max(0, before, missing(next.roles.root));
}

/** A key of the root file, by its id or the first digits of it. @throws {Misuse} */
export function keyOfRoot({ keys }: Root, digits: string): string {
  const found = Object.keys(keys).filter((keyid) => keyid.startsWith(digits));
  if (found.length === 1) return found[0]!;
  const what = found.length === 0 ? 'no key of the root file begins' : 'several keys of the root file begin';
  throw new Misuse(`${what} with "${digits}"`, 'see which there are: weir key root show');
}

function successor(root: Root, expires: number, change: Partial<RootStatement>): RootStatement {
  const { type: _, ...rest } = root;
  return { ...rest, version: root.version + 1, expires, ...change };
}

function requireNew({ roles, revoked }: Root, role: RoleName, { keyid }: NamedKey): void {
  const short = keyid.slice(0, 12);
  if (roles[role].keyids.includes(keyid)) {
    throw new Misuse(`the key ${short} has the role ${role} already`, 'see who has which: weir key root show');
  }
  if (revoked.includes(keyid)) {
    throw new Misuse(`the key ${short} is revoked, which is for ever`, 'make another one: weir key create');
  }
}

function roleOf(role: RoleName, keyids: string[], threshold: number): Role {
  if (threshold >= 1 && threshold <= keyids.length) return { keyids, threshold };
  const what = `the role ${role} would need ${threshold} signatures and have ${keyids.length} keys`;
  throw new Misuse(what, threshold < 1 ? 'a threshold is 1 or more' : 'add a key first, or give a lower --threshold');
}

function keysOf(keys: readonly NamedKey[]): Root['keys'] {
  return Object.fromEntries(
    keys.map(({ keyid, public: raw, name }) => [
      keyid,
      { type: 'ed25519' as const, public: raw, ...(name !== undefined && { name }) },
    ]),
  );
}

function ids(keys: readonly NamedKey[]): string[] {
  return keys.map(({ keyid }) => keyid);
}
