/** The root files: whom this hub trusts, and its devices with it. */
import type { Root } from '@weir/protocols';
import { openEnvelope, verifyRoot } from '@weir/runtime';
import { untilWritten } from '../fleet/turns.ts';
import type { Item, Store } from '../store/store.ts';
import { ROOTS, rootKey } from './keys.ts';
import { rootRefused } from './trust-error.ts';

export interface KeptRoot {
  root: Root;
  /** Text, as it was given. */
  envelope: string;
}

/** A device that was away for years gets the rest when it asks again. */
const ROOTS_PER_ANSWER = 16;

/** The one in force. @returns undefined: nobody has given any yet */
export async function currentRoot(store: Store): Promise<KeptRoot | undefined> {
  const { items } = await store.query({ ...ROOTS, reverse: true, limit: 1 });
  return items[0] && keptOf(items[0]);
}

export async function rootOf(store: Store, version: number): Promise<KeptRoot | undefined> {
  const item = await store.get(rootKey(version));
  return item && keptOf(item);
}

/** Envelopes of the versions that follow, in order; a device goes through all of them. */
export async function rootsAfter(store: Store, version: number): Promise<string[]> {
  const { items } = await store.query({ ...ROOTS, from: rootKey(version + 1).sort, limit: ROOTS_PER_ANSWER });
  return items.map((item) => keptOf(item).envelope);
}

/**
 * Takes the first root file, or the successor of the one in force. The same one again changes nothing.
 *
 * @param hubKey id of the key by which this hub signs: what it says must count, or devices would take nothing any more
 * @throws {TrustError} `root-refused`
 */
export async function addRoot(store: Store, envelope: string, hubKey: string, now: number): Promise<Root> {
  return untilWritten(async () => {
    const current = await currentRoot(store);
    if (current?.envelope === envelope) return current.root;
    const verdict = verifyRoot(current?.root, envelope, now);
    if (!verdict.ok) throw rootRefused(verdict);
    const root = verdict.value;
    if (current === undefined && root.version !== 1) {
      throw rootRefused({ code: 'root-skipped', reason: `version ${root.version}, the first one is 1` });
    }
    const { keyids, threshold } = root.roles.deployment;
    if (!keyids.includes(hubKey) || threshold > 1) {
      const reason = `the hub's key ${hubKey.slice(0, 12)} does not suffice for the role deployment`;
      throw rootRefused({ code: 'key-not-for-role', reason });
    }
    await store.write([{ put: rootKey(root.version), json: { envelope }, ifVersion: 0 }]);
    return root;
  });
}

/** What is in the store was checked when it came in. */
function keptOf({ json }: Item): KeptRoot {
  const { envelope } = json as { envelope: string };
  const opened = openEnvelope('root', envelope);
  if (!opened.ok) throw new Error(`a root file in the store cannot be read: ${opened.reason}`);
  return { root: opened.value.statement, envelope };
}
