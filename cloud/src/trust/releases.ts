/** What authors said of bundles, kept beside them, and what of it counts. */
import type { Bundle, BundleKind, Release } from '@weir/protocols';
import { parseBundle, type Verdict, verifyBundle, verifyRelease } from '@weir/runtime';
import type { DeploymentRecord } from '../fleet/fleet.ts';
import { deploymentKey, rolloutKey } from '../fleet/keys.ts';
import type { Rollout } from '../fleet/rollout/rollout.ts';
import type { Change, Store } from '../store/store.ts';
import { bundleReleaseKey, releaseKey, topKey } from './keys.ts';
import { currentRoot, type KeptRoot, rootOf } from './roots.ts';
import { releaseRefused, TrustError } from './trust-error.ts';

/** A bundle as the store describes it. */
export interface Described {
  hash: string;
  kind: BundleKind;
  name: string;
  version: string;
  bytes: number;
}

interface ReleaseStored {
  /** Text of the statement. */
  envelope: string;
  release: number;
  /** Version of the root file by which it was taken, and when that was. */
  root: number;
  takenAt: number;
}

interface TopStored {
  release: number;
  floor: number;
}

export interface ReleaseRecord {
  release: number;
  floor: number;
  version: string;
  hash: string;
  /** ms since epoch */
  createdAt: number;
}

const LISTED_MAX = 100;

/** @returns text of the newest release statement of a bundle; undefined: it has none */
export async function releaseOf(store: Store, hash: string): Promise<string | undefined> {
  return (await stored(store, hash))?.envelope;
}

/**
 * What is to be written with a bundle, so that it has its release.
 *
 * @param envelope undefined: none came with it
 * @throws {TrustError} `release-missing`, `release-refused`; `root-missing`: a release came, and nobody is trusted yet
 */
export async function releaseChanges(
  store: Store,
  bundle: Described,
  bytes: Uint8Array,
  envelope: string | undefined,
  now: number,
): Promise<Change[]> {
  const kept = await currentRoot(store);
  if (kept === undefined && envelope === undefined) return [];
  if (kept === undefined) {
    throw new TrustError(
      'root-missing',
      'this hub has no root file yet, and trusts nobody',
      'give it one: weir key init',
    );
  }
  if (envelope === undefined) throw missing(bundle);
  const top = await store.get(topKey(bundle.name));
  const { release: highest, floor } = (top?.json as TopStored | undefined) ?? { release: 0, floor: 0 };
  const verdict = verifyRelease(envelope, { root: kept.root, now, floor }, bundle);
  if (!verdict.ok) throw releaseRefused(bundle.name, verdict);
  const release = verdict.value;
  const content = verifyBundle(bytes, release);
  if (!content.ok) throw releaseRefused(bundle.name, content);
  const before = await stored(store, bundle.hash);
  // Whoever has an old one of the same bundle changes nothing by it.
  if (before !== undefined && before.release >= release.release && (await isInForce(bundle, before, kept))) return [];
  const record: ReleaseRecord = { ...recordOf(release), createdAt: release.createdAt };
  return [
    {
      put: bundleReleaseKey(bundle.hash),
      json: { envelope, release: release.release, root: kept.root.version, takenAt: now } satisfies ReleaseStored,
    },
    { put: releaseKey(bundle.name, release.release), json: record },
    {
      put: topKey(bundle.name),
      json: { release: Math.max(highest, release.release), floor: Math.max(floor, release.floor) } satisfies TopStored,
      ifVersion: top?.version ?? 0,
    },
  ];
}

/**
 * Whether a bundle may be deployed now. Without a root file nobody is trusted, and all is taken.
 *
 * @throws {TrustError} `release-missing`, `release-refused`
 */
export async function requireRelease(
  store: Store,
  bundle: Described,
  where: 'edge' | 'cloud',
  now: number,
): Promise<void> {
  const kept = await currentRoot(store);
  if (kept === undefined && where === 'cloud') return;
  const release = await stored(store, bundle.hash);
  if (kept === undefined || release === undefined) throw missing(bundle);
  const floor = ((await store.get(topKey(bundle.name)))?.json as TopStored | undefined)?.floor ?? 0;
  const verdict = verifyRelease(release.envelope, { root: kept.root, now, floor }, bundle);
  if (!verdict.ok) throw releaseRefused(`${bundle.name}@${bundle.version}`, verdict);
}

/**
 * A bundle that is to run in this hub, looked at again: what is in the store may have been changed by others. What was
 * taken by an earlier root file goes on to run; what comes anew is looked at by the one in force.
 */
export async function verifiedBundle(store: Store, described: Described, bytes: Uint8Array): Promise<Verdict<Bundle>> {
  const kept = await currentRoot(store);
  if (kept === undefined) return { ok: true, value: parseBundle(bytes) };
  const { hash, name } = described;
  const release = await stored(store, hash);
  if (release === undefined) return { ok: false, code: 'unsigned', reason: `${name} has no release statement` };
  const now = check(described, release, kept);
  const earlier = now.ok || release.root === kept.root.version ? undefined : await rootOf(store, release.root);
  const verdict = now.ok || earlier === undefined ? now : check(described, release, earlier);
  return verdict.ok ? verifyBundle(bytes, verdict.value) : verdict;
}

/** What the author of the next release has to know. */
export async function releasesOf(
  store: Store,
  name: string,
): Promise<{ highest: number | null; floor: number | null; items: ReleaseRecord[] }> {
  const top = (await store.get(topKey(name)))?.json as TopStored | undefined;
  const { items } = await store.query({
    ...{ table: 'release', partition: name, from: 'at/', to: 'at0' },
    ...{ reverse: true, limit: LISTED_MAX },
  });
  return {
    highest: top?.release ?? null,
    floor: top?.floor ?? null,
    items: items.map(({ json }) => json as ReleaseRecord),
  };
}

/**
 * The oldest release of a name that any group wants, or would go back to: how far back the hub itself may have to go.
 *
 * @returns null: none
 */
export async function oldestWanted(store: Store, name: string): Promise<number | null> {
  let oldest: number | null = null;
  for (const hash of await wantedHashes(store, name)) {
    const release = (await stored(store, hash))?.release;
    if (release !== undefined && (oldest === null || release < oldest)) oldest = release;
  }
  return oldest;
}

async function wantedHashes(store: Store, name: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (let after: string | undefined; ; ) {
    const page = await store.partitions('group', after === undefined ? {} : { after });
    for (const group of page.names) {
      const [standing, carried] = await Promise.all([
        store.get(deploymentKey(group, name)),
        store.get(rolloutKey(group, name)),
      ]);
      const { target, lastGood } = (carried?.json ?? {}) as Partial<Rollout>;
      for (const wanted of [standing?.json as DeploymentRecord | undefined, target, lastGood]) {
        for (const each of [wanted?.hash, wanted?.previous?.hash]) if (each !== undefined) found.add(each);
      }
    }
    if (page.next === undefined) return found;
    after = page.next;
  }
}

async function stored(store: Store, hash: string): Promise<ReleaseStored | undefined> {
  return (await store.get(bundleReleaseKey(hash)))?.json as ReleaseStored | undefined;
}

/** By the time at which it was taken: no end that has come since ends what runs. */
function check(bundle: Described, { envelope, takenAt }: ReleaseStored, { root }: KeptRoot): Verdict<Release> {
  return verifyRelease(envelope, { root, now: takenAt, floor: 0 }, bundle);
}

async function isInForce(bundle: Described, release: ReleaseStored, kept: KeptRoot): Promise<boolean> {
  return check(bundle, release, kept).ok;
}

function recordOf({ release, floor, version, sha256 }: Release): Omit<ReleaseRecord, 'createdAt'> {
  return { release, floor, version, hash: sha256 };
}

function missing({ name, version }: Described): TrustError {
  return new TrustError(
    'release-missing',
    `${name}@${version} has no release statement: nobody has signed it`,
    'deploy it from its source, which signs it: weir fn deploy FILE, weir rule apply FILE or weir forward apply FILE',
  );
}
