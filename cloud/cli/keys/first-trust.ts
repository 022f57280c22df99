/** How a hub that trusts nobody yet comes to trust: keys are made here, and the root file that names them is given to it. */
import type { Root } from '@weir/protocols';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { named, requireSigned, rootSigners } from './author.ts';
import type { KeptKey } from './key-store.ts';
import { fetchRoot, type HubRoot, keepRoot } from './known-root.ts';
import { askNewPassphrase, fromEnvironment } from './passphrase.ts';
import { firstRoot, type NamedKey, type RootStatement } from './root-file.ts';

/** A year: somebody has to look at the keys once in that time. */
const ROOT_LIFE_MS = 365 * 86_400_000;
/** Time enough to find who has the root keys. */
const REMIND_MS = 30 * 86_400_000;

export interface FirstTrustOptions {
  /** Asks for a passphrase for what is made. */
  passphrase?: boolean | undefined;
  /** Keys of the role root, in place of one that is made here. */
  rootKeys?: readonly NamedKey[] | undefined;
  /** Of the role root; 1. */
  threshold?: number | undefined;
  /** How long the root file counts, ms. */
  lifeMs?: number | undefined;
}

export interface FirstTrust {
  next: RootStatement;
  /** Undefined: those of others were named. */
  rootKey: KeptKey | undefined;
  releaseKey: KeptKey;
}

export function expiresIn(lifeMs: number | undefined): number {
  return Date.now() + (lifeMs ?? ROOT_LIFE_MS);
}

/** Makes what is missing of the keys, and the root file of them; nobody has signed it, and the hub has not got it yet. */
export async function prepareTrust(session: Session, hub: HubRoot, options: FirstTrustOptions): Promise<FirstTrust> {
  const { rootKeys, threshold = 1, lifeMs } = options;
  const rootKey = rootKeys === undefined ? await keyHere(session, 'root', options.passphrase) : undefined;
  const releaseKey = await keyHere(session, 'release', options.passphrase);
  const next = firstRoot({
    root: rootKey === undefined ? rootKeys! : [named(rootKey)],
    threshold,
    release: named(releaseKey),
    hub: { ...hub.hubKey, name: 'the hub' },
    expires: expiresIn(lifeMs),
  });
  return { next, rootKey, releaseKey };
}

/**
 * What the first deployment does for its author. Another one that does it at the same time, from the same keys, is as good.
 *
 * @returns what the hub trusts from then on
 */
export async function establishTrust(session: Session, hub: HubClient, found: HubRoot): Promise<Root> {
  const { folder } = session.keys();
  const { next, rootKey, releaseKey } = await prepareTrust(session, found, {});
  const signers = await rootSigners(session, undefined, next);
  requireSigned(signers, undefined, next);
  try {
    await giveRoot(hub, folder, await signedRoot(next, signers));
  } catch (error) {
    const { root } = await fetchRoot(hub, folder);
    if (root === undefined) throw error;
    return root;
  }
  session.note(
    `This hub trusted nobody yet: it has a root file now, with the keys ${rootKey!.file} (root) and ${releaseKey.file} (release).\n` +
      'Keep a copy of the root key elsewhere: without it nobody can change what the fleet trusts. See docs/guides/sign-what-you-deploy.md\n',
  );
  return { type: 'weir-root', ...next };
}

/** @returns text of the envelope */
export async function signedRoot(
  next: RootStatement,
  signers: Awaited<ReturnType<typeof rootSigners>>,
): Promise<string> {
  const { signStatement } = await import('@weir/runtime');
  return signStatement('root', next, signers);
}

/** To the hub, and to what is known of it here. @returns its version */
export async function giveRoot(hub: HubClient, folder: string, envelope: string): Promise<number> {
  const { version } = await hub.send<{ version: number }>('POST', '/roots', JSON.parse(envelope) as object);
  // As the hub writes it, in whatever order the members came.
  const { payloadType, payload, signatures } = JSON.parse(envelope) as Record<string, unknown>;
  await keepRoot(hub, folder, JSON.stringify({ payloadType, payload, signatures }));
  return version;
}

/** @returns a line for people whose root file is about to end; undefined: it is not */
export function reminder({ expires, version }: Root, now: number): string | undefined {
  const left = expires - now;
  if (left > REMIND_MS) return undefined;
  const when = new Date(expires).toISOString().slice(0, 10);
  return left <= 0
    ? `version ${version} of the root file ended on ${when}: devices take nothing new until there is another: weir key root renew`
    : `version ${version} of the root file ends on ${when}; then devices take nothing new: weir key root renew`;
}

/** The newest of this name, made where there is none. */
async function keyHere(session: Session, name: string, passphrase: boolean | undefined): Promise<KeptKey> {
  const newest = async () => {
    const keys = (await session.keys().list()).filter((key) => key.name === name || numberOf(key.name, name) > 1);
    return keys.sort((a, b) => numberOf(b.name, name) - numberOf(a.name, name))[0];
  };
  const found = await newest();
  if (found !== undefined) return found;
  const made = await session.keys().create(name, await passphraseFor(session, `the new key ${name}`, passphrase));
  const key = made ?? (await newest());
  if (key === undefined) throw new Failure(`the key ${name} cannot be made`);
  return key;
}

/** Undefined: none is wanted. */
export async function passphraseFor(
  session: Session,
  what: string,
  wanted: boolean | undefined,
): Promise<string | undefined> {
  if (!wanted && fromEnvironment(session.terminal) === undefined) return undefined;
  return askNewPassphrase(session.terminal, what);
}

function numberOf(name: string, base: string): number {
  const digits = new RegExp(`^${base}-(\\d+)$`).exec(name)?.[1];
  return digits === undefined ? 1 : Number(digits);
}
