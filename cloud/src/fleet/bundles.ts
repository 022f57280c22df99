import { BUNDLE_BYTES_MAX, type Bundle, bundleIdentity, ruleIn, type StateKey } from '@weir/protocols';
import { type FlowNode, flowNode, hashBundle, parseBundle, type Verdict } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { type Described, releaseChanges, verifiedBundle } from '../trust/releases.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord } from './fleet.ts';
import { bundleKey } from './keys.ts';
import { tagsNamedBy } from './tag-levels.ts';
import { untilWritten } from './turns.ts';

export interface BundleRecord {
  kind: Bundle['kind'];
  name: string;
  version: string;
  bytes: number;
  parts: number;
  createdAt: number;
  /** What a function takes and gives, by which functions feed one another. */
  flow?: FlowNode;
  /** What a function has one state for; a rule over a whole group, too. */
  key?: StateKey;
  /** Of devices, which it wants to know. */
  tags?: string[];
  /** A function that is the condition of a rule. */
  isRule?: true;
}

/** Under the 400 KB of one item, with room for its keys. */
const PART_BYTES = 380_000;

/** @param release text of its release statement; undefined: it has none */
export async function putBundle(
  store: Store,
  bytes: Uint8Array,
  release: string | undefined,
  now: number,
): Promise<{ hash: string; bundle: Bundle; record: BundleRecord }> {
  if (bytes.byteLength > BUNDLE_BYTES_MAX) {
    throw new FleetError(
      'bundle-too-large',
      `the bundle has ${bytes.byteLength} bytes; ${BUNDLE_BYTES_MAX} is the limit`,
      'leave out dependencies that the function does not need',
    );
  }
  const bundle = readBundle(bytes);
  const hash = hashBundle(bytes);
  const parts = Math.ceil(bytes.byteLength / PART_BYTES);
  const described = { ...describe(bundle, hash), bytes: bytes.byteLength };
  return untilWritten(async () => {
    const known = await store.get(bundleKey(hash, 'record'));
    const changes = await releaseChanges(store, { ...described, hash }, bytes, release, now);
    const record = (known?.json as BundleRecord | undefined) ?? { ...described, parts, createdAt: now };
    if (known === undefined) changes.push({ put: bundleKey(hash, 'record'), json: record });
    for (let part = 0; part < parts && known === undefined; part++) {
      const at = part * PART_BYTES;
      changes.push({ put: bundleKey(hash, part), bytes: bytes.slice(at, at + PART_BYTES) });
    }
    if (changes.length > 0) await store.write(changes);
    return { hash, bundle, record };
  });
}

/** As it says of itself, with its name in the store. */
export function describedAs(hash: string, { kind, name, version, bytes }: BundleRecord): Described {
  return { hash, kind, name, version, bytes };
}

export async function bundleRecord(store: Store, hash: string): Promise<BundleRecord | undefined> {
  const item = await store.get(bundleKey(hash, 'record'));
  return item?.json as BundleRecord | undefined;
}

export async function getBundle(store: Store, hash: string): Promise<Uint8Array | undefined> {
  const record = await bundleRecord(store, hash);
  if (record === undefined) return undefined;
  const bytes = new Uint8Array(record.bytes);
  for (let part = 0; part < record.parts; part++) {
    const item = await store.get(bundleKey(hash, part));
    if (item?.bytes === undefined) return undefined;
    bytes.set(item.bytes, part * PART_BYTES);
  }
  return bytes;
}

/**
 * A bundle that is to run in this hub, once it is sure that it is what its author has released.
 *
 * @returns undefined: it is not here
 */
export async function trustedBundle(store: Store, hash: string): Promise<Verdict<Bundle> | undefined> {
  const [record, bytes] = await Promise.all([bundleRecord(store, hash), getBundle(store, hash)]);
  if (record === undefined || bytes === undefined) return undefined;
  return verifiedBundle(store, describedAs(hash, record), bytes);
}

/** Of rules with whether they are on trial: what it would tell is told to nobody. */
export async function withTrial(store: Store, deployment: DeploymentRecord): Promise<DeploymentRecord> {
  if (deployment.kind !== 'rule' && !deployment.isRule) return deployment;
  const dryRun = await isDryRun(store, deployment.hash);
  return dryRun === undefined ? deployment : { ...deployment, dryRun };
}

/** Of what cannot be read it is not known. */
async function isDryRun(store: Store, hash: string): Promise<boolean | undefined> {
  const bytes = await getBundle(store, hash);
  if (bytes === undefined) return undefined;
  try {
    const rule = ruleIn(parseBundle(bytes));
    return rule && (rule.dryRun ?? false);
  } catch {
    return undefined;
  }
}

function readBundle(bytes: Uint8Array): Bundle {
  try {
    return parseBundle(bytes);
  } catch (error) {
    throw new FleetError(
      'bundle-invalid',
      `this is no bundle: ${(error as Error).message}`,
      'build it with: weir fn deploy FILE, weir rule apply FILE or weir forward apply FILE',
    );
  }
}

type Description = Pick<BundleRecord, 'kind' | 'name' | 'version' | 'flow' | 'key' | 'tags' | 'isRule'>;

function describe(bundle: Bundle, hash: string): Description {
  const identity = bundleIdentity(bundle, hash);
  const tags = tagsNamedBy(bundle);
  const described = { ...identity, ...(tags.length > 0 && { tags }) };
  if (bundle.kind === 'rule') return { ...described, ...(bundle.rule.by === 'group' && { key: 'function' as const }) };
  if (bundle.kind !== 'function') return described;
  const isRule = bundle.manifest.rule !== undefined;
  return { ...described, key: bundle.manifest.key, flow: flowNode(bundle.manifest), ...(isRule && { isRule }) };
}
