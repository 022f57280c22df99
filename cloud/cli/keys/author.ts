/** Who signs: the keys that are here, and what the root file of a hub lets each of them do. */
import { hostname, userInfo } from 'node:os';
import type { Root } from '@weir/protocols';
import type { SigningKey } from '@weir/runtime';
import { Failure, Misuse } from '../failure.ts';
import type { Session } from '../session.ts';
import { environmentKey, type Key } from './key.ts';
import type { KeptKey } from './key-store.ts';
import { type NamedKey, type RootStatement, signaturesMissing } from './root-file.ts';

const NAME_CHARS_MAX = 64;
const DIGITS_MIN = 8;

/** For people who read the root file: `release of ada on laptop`. */
export function named(key: Key & { name?: string }, name = key.name ?? 'key'): NamedKey {
  const text = `${name} of ${userName()} on ${hostname()}`;
  return { keyid: key.keyid, public: key.public, name: text.slice(0, NAME_CHARS_MAX) };
}

/**
 * The key that signs releases: the one that is named, else that of the environment, else the first here that may.
 *
 * @param root undefined: it is not known; what is called so here, or is named, may
 * @throws {Misuse} when none of them may
 */
export async function releaseKey(session: Session, root: Root | undefined, wanted?: string): Promise<Key> {
  const key = wanted === undefined ? undefined : await keyNamed(session, wanted);
  const fromEnvironment = key === undefined ? environmentKey(session.terminal.env) : undefined;
  const chosen = key ?? fromEnvironment;
  const mayRelease = ({ keyid, name }: Key & { name?: string }) =>
    root === undefined
      ? name === undefined || /^release(-\d+)?$/.test(name)
      : root.roles.release.keyids.includes(keyid);
  if (chosen !== undefined) {
    if (root === undefined || mayRelease(chosen)) return chosen;
    throw stranger([chosen], root, fromEnvironment === undefined ? `the key "${wanted}"` : 'the key WEIR_SIGNING_KEY');
  }
  const keys = await session.keys().list();
  const found = keys.find(mayRelease);
  if (found !== undefined) return found;
  throw stranger(keys, root, `none of your ${keys.length} keys`);
}

function stranger(keys: readonly (Key & { name?: string })[], root: Root | undefined, who: string): Misuse {
  const own = keys.find(({ name }) => name?.startsWith('release')) ?? keys[0];
  if (root === undefined || own === undefined) {
    return new Misuse(
      'there is no key here that may sign releases for this hub',
      'make one with "weir key create", and have whoever has the root key add what it prints: weir key add PUBLIC --role release',
    );
  }
  const isRevoked = keys.some(({ keyid }) => root.revoked.includes(keyid));
  return new Misuse(
    `${who} may ${isRevoked ? 'no longer ' : 'not '}sign releases for this hub (version ${root.version} of its root file)`,
    isRevoked
      ? 'it was revoked; make another with "weir key create", and have it added: weir key add PUBLIC --role release'
      : `have whoever has the root key add it: weir key add ${own.public} --role release`,
  );
}

/** By name, or the first digits of its id. @throws {Misuse} */
export async function keyNamed(session: Session, wanted: string): Promise<KeptKey> {
  const keys = await session.keys().list();
  const byName = keys.find(({ name }) => name === wanted);
  if (byName !== undefined) return byName;
  const found = wanted.length < DIGITS_MIN ? [] : keys.filter(({ keyid }) => keyid.startsWith(wanted));
  if (found.length === 1) return found[0]!;
  throw new Misuse(`there is no key "${wanted}" in ${session.keys().folder}`, 'see which there are: weir key list');
}

/**
 * Opens as many of the keys here as are needed for the next root file, those without a passphrase first.
 *
 * @returns fewer than are needed, where there are no more
 */
export async function rootSigners(
  session: Session,
  previous: Root | undefined,
  next: RootStatement,
): Promise<SigningKey[]> {
  const counts = ({ keyid }: Key) =>
    next.roles.root.keyids.includes(keyid) || (previous?.roles.root.keyids.includes(keyid) ?? false);
  const keys = (await session.keys().list()).filter(counts);
  keys.sort((a, b) => Number(a.isEncrypted) - Number(b.isEncrypted));
  const signers: SigningKey[] = [];
  const missing = (and: readonly Key[] = []) =>
    signaturesMissing(
      [...signers, ...and].map(({ keyid }) => keyid),
      previous,
      next,
    );
  for (const key of keys) {
    // One that brings nobody nearer is not asked for its passphrase.
    if (missing() === 0) break;
    if (isOfUse(key, signers, previous, next)) signers.push(await key.open(session.terminal));
  }
  return signers;
}

function isOfUse(
  { keyid }: Key,
  signers: readonly SigningKey[],
  previous: Root | undefined,
  next: RootStatement,
): boolean {
  const roles = [next.roles.root, ...(previous === undefined ? [] : [previous.roles.root])];
  return roles.some(({ keyids, threshold }) => {
    const signed = signers.filter((signer) => keyids.includes(signer.keyid)).length;
    return signed < threshold && keyids.includes(keyid);
  });
}

/** That the keys here suffice for what follows from this root file. @throws {Failure} */
export async function requireRootKeys(session: Session, root: Root): Promise<void> {
  requireSigned(await session.keys().list(), root, { ...root, version: root.version + 1 });
}

/** @throws {Failure} */
export function requireSigned(
  signers: readonly Pick<Key, 'keyid'>[],
  previous: Root | undefined,
  next: RootStatement,
): void {
  const missing = signaturesMissing(
    signers.map(({ keyid }) => keyid),
    previous,
    next,
  );
  if (missing === 0) return;
  throw new Failure(
    `version ${next.version} of the root file needs ${missing} more ${missing === 1 ? 'signature' : 'signatures'} than the keys here can give`,
    'write it to a file with -o next.json, have the others sign it with "weir key root sign next.json", then: weir key root import next.json',
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container there may be a number without a name.
    return 'somebody';
  }
}
