import { BUNDLE_BYTES_MAX, type Bundle, bundleIdentity, type StateKey } from '@weir/protocols';
import { type FlowNode, flowNode, hashBundle, parseBundle } from '@weir/runtime';
import type { Change, Store } from '../store/store.ts';
import { FleetError } from './error.ts';
import { bundleKey } from './keys.ts';

export interface BundleRecord {
  kind: Bundle['kind'];
  name: string;
  version: string;
  bytes: number;
  parts: number;
  createdAt: number;
  /** What a function takes and gives, by which functions feed one another. */
  flow?: FlowNode;
  /** What a function has one state for. */
  key?: StateKey;
}

/** Under the 400 KB of one item, with room for its keys. */
const PART_BYTES = 380_000;

export async function putBundle(
  store: Store,
  bytes: Uint8Array,
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
  const known = await store.get(bundleKey(hash, 'record'));
  if (known !== undefined) return { hash, bundle, record: known.json as BundleRecord };

  const parts = Math.ceil(bytes.byteLength / PART_BYTES);
  const record: BundleRecord = { ...describe(bundle, hash), bytes: bytes.byteLength, parts, createdAt: now };
  const changes: Change[] = [{ put: bundleKey(hash, 'record'), json: record }];
  for (let part = 0; part < parts; part++) {
    const at = part * PART_BYTES;
    changes.push({ put: bundleKey(hash, part), bytes: bytes.slice(at, at + PART_BYTES) });
  }
  await store.write(changes);
  return { hash, bundle, record };
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

function describe(bundle: Bundle, hash: string): Pick<BundleRecord, 'kind' | 'name' | 'version' | 'flow' | 'key'> {
  const identity = bundleIdentity(bundle, hash);
  if (bundle.kind !== 'function') return identity;
  return { ...identity, key: bundle.manifest.key, flow: flowNode(bundle.manifest) };
}
