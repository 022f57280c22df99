/** A fleet whose uploads are signed on their way, as the command line does it: for tests of everything else. */
import { KEYS, releaseOfBundle, rootOfHub } from '@weir/runtime/trust-fixture';
import type { Fleet } from '../fleet/fleet.ts';
import type { Store } from '../store/store.ts';
import { addRoot } from './roots.ts';

/** Gives the store a root file, and a release to each bundle that comes without one. */
export async function signingFleet<T extends Fleet>(fleet: T, store: Store, now: number): Promise<T> {
  await addRoot(store, rootOfHub(), KEYS.hub.keyid, now);
  const put = fleet.putBundle.bind(fleet);
  fleet.putBundle = (bytes, release) => put(bytes, release ?? releaseIfAny(bytes));
  return fleet;
}

/** What is no bundle the fleet is to refuse by itself. */
function releaseIfAny(bytes: Uint8Array): string | undefined {
  try {
    return releaseOfBundle(bytes);
  } catch {
    return undefined;
  }
}
