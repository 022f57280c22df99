/**
 * Rollouts in the store.
 *
 *     table `group` · partition the group · sort
 *       deployment/<name>             what stands
 *       deployment-rollout/<name>     the newest rollout
 *       admitted/<name>/<device>      the device was let in to one; written with the rollout that counts it
 *       rollout-ended/<name>/<order>  those before, the last twenty
 */
import { isDeepStrictEqual } from 'node:util';
import type { Change, Item, ItemKey, Store } from '../../store/store.ts';
import { CHANGES_MAX, StoreError } from '../../store/store.ts';
import type { DeploymentRecord } from '../fleet.ts';
import { admittedKey, deploymentKey, endedKey, groupKey, itemsOf, prefixRange, rolloutKey } from '../keys.ts';
import type { Rollout, RolloutEffect } from './rollout.ts';

/** That a device was let in. */
export interface Admission {
  /** Of the rollout. */
  order: number;
  wave: number;
  at: number;
  /** When it was seen to run it first, beside what stands or in its place. */
  ranAt?: number;
  /** When it was seen to run it in the place of what stands. */
  takenAt?: number;
}

/** What stands in a group, and what is on its way there. */
export interface GroupWants {
  standing: DeploymentRecord[];
  rollouts: Rollout[];
}

const ENDED_KEPT = 20;

/** With the priority of the group, as `winners` takes it. */
export async function settingsOf(store: Store, group: string): Promise<GroupWants> {
  const standing: DeploymentRecord[] = [];
  const rollouts: Rollout[] = [];
  const record = await store.get(groupKey(group));
  const { priority = 0, removing } = (record?.json ?? { removing: true }) as { priority?: number; removing?: true };
  if (removing) return { standing, rollouts };
  const prioritised = <T extends DeploymentRecord>(wanted: T): T => (priority === 0 ? wanted : { ...wanted, priority });
  // `-` comes before `/`: both are one range.
  const range = { from: 'deployment-rollout/', to: 'deployment0' };
  for await (const { sort, json } of itemsOf(store, { table: 'group', partition: group, ...range })) {
    if (sort.startsWith('deployment/')) standing.push(prioritised(json as DeploymentRecord));
    else rollouts.push({ ...(json as Rollout), target: prioritised((json as Rollout).target) });
  }
  return { standing, rollouts };
}

export interface StoredRollout {
  rollout: Rollout;
  version: number;
}

export async function getRollout(store: Store, group: string, name: string): Promise<StoredRollout | undefined> {
  const item = await store.get(rolloutKey(group, name));
  return item && { rollout: item.json as Rollout, version: item.version };
}

export async function getAdmission(
  store: Store,
  group: string,
  name: string,
  device: string,
): Promise<Admission | undefined> {
  return (await store.get(admittedKey(group, name, device)))?.json as Admission | undefined;
}

/** By device. */
export async function admissionsOf(
  store: Store,
  group: string,
  name: string,
): Promise<Map<string, { admission: Admission; version: number }>> {
  const found = new Map<string, { admission: Admission; version: number }>();
  const prefix = `admitted/${name}/`;
  for await (const item of itemsOf(store, { table: 'group', partition: group, ...prefixRange(prefix) })) {
    found.set(item.sort.slice(prefix.length), { admission: item.json as Admission, version: item.version });
  }
  return found;
}

/**
 * Writes what came of a step, whole: who is let in is counted in the same write.
 *
 * @throws {StoreError} `conflict` when another one was first
 */
export async function writeStep(
  store: Store,
  before: StoredRollout,
  rollout: Rollout,
  effects: readonly RolloutEffect[],
  now: number,
): Promise<void> {
  const { group, name } = rollout.target;
  const changes: Change[] = [{ put: rolloutKey(group, name), json: rollout, ifVersion: before.version }];
  for (const effect of effects) {
    if (effect.type === 'admit') {
      const { wave } = effect;
      const admission: Admission = { order: rollout.order, wave, at: now };
      for (const device of effect.devices) changes.push({ put: admittedKey(group, name, device), json: admission });
    } else if (effect.type !== 'follow') {
      const found = await store.get(deploymentKey(group, name));
      const change = effect.type === 'stand' ? standChange(rollout, found) : goBackChange(rollout, found);
      if (change !== undefined) changes.push(change);
    }
  }
  await store.write(changes);
}

function standChange({ target }: Rollout, found: Item | undefined): Change {
  const before = found?.json as DeploymentRecord | undefined;
  const previous = before && before.hash !== target.hash ? settingOf(before) : before?.previous;
  return {
    put: deploymentKey(target.group, target.name),
    json: previous === undefined ? target : { ...target, previous },
    ifVersion: found?.version ?? 0,
  };
}

function goBackChange({ lastGood, target }: Rollout, found: Item | undefined): Change | undefined {
  const key = deploymentKey(target.group, target.name);
  const ifVersion = found?.version ?? 0;
  const stands = (found?.json as DeploymentRecord | undefined)?.order;
  if (stands === lastGood?.order) return undefined;
  return lastGood === undefined ? { remove: key, ifVersion } : { put: key, json: lastGood, ifVersion };
}

export function settingOf({ hash, where, config }: DeploymentRecord): NonNullable<DeploymentRecord['previous']> {
  return { hash, where, config };
}

/** Whether they are the same setting, whenever it was made. */
export function isSameSetting(a: DeploymentRecord, b: DeploymentRecord): boolean {
  return a.hash === b.hash && a.where === b.where && isDeepStrictEqual(a.config, b.config);
}

/**
 * Notes that devices run what they were let in to.
 *
 * @param seen what their admissions should be from now on
 * @returns those that are noted now; the others have changed meanwhile
 */
export async function noteRunning(
  store: Store,
  group: string,
  name: string,
  seen: ReadonlyMap<string, Admission>,
): Promise<Map<string, Admission>> {
  const noted = new Map<string, Admission>();
  const all = [...seen];
  for (let at = 0; at < all.length; at += CHANGES_MAX) {
    const some = all.slice(at, at + CHANGES_MAX);
    const items = await Promise.all(some.map(([device]) => store.get(admittedKey(group, name, device))));
    // Another one may have been let in to a newer rollout since it was looked at.
    const present = some.filter(([, { order }], n) => (items[n]?.json as Admission | undefined)?.order === order);
    const changes = present.map(([device, admission]): Change => {
      const ifVersion = items.find((item) => item?.sort === admittedKey(group, name, device).sort)!.version;
      return { put: admittedKey(group, name, device), json: admission, ifVersion };
    });
    try {
      if (changes.length > 0) await store.write(changes);
      for (const [device, admission] of present) noted.set(device, admission);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  return noted;
}

export function isConflict(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'conflict';
}

/** Puts a rollout among those that have been. */
export function endedChange(rollout: Rollout): Change {
  const { group, name } = rollout.target;
  return { put: endedKey(group, name, rollout.order), json: rollout };
}

/** Newest first; without the present one. */
export async function endedRollouts(store: Store, group: string, name?: string): Promise<Rollout[]> {
  const prefix = name === undefined ? 'rollout-ended/' : `rollout-ended/${name}/`;
  const ended = await Array.fromAsync(itemsOf(store, { table: 'group', partition: group, ...prefixRange(prefix) }));
  return ended.map(({ json }) => json as Rollout).sort((a, b) => b.order - a.order);
}

/** Takes a few away of what is not needed any more. Any number of writers may do so. */
async function remove(store: Store, keys: readonly ItemKey[]): Promise<void> {
  for (let at = 0; at < keys.length; at += CHANGES_MAX) {
    await store.write(keys.slice(at, at + CHANGES_MAX).map((key) => ({ remove: key })));
  }
}

/** Of a rollout that has ended its admissions say nothing any more, and the oldest rollouts are forgotten. */
export async function sweep(store: Store, { rollout, version }: StoredRollout): Promise<void> {
  const { order, target } = rollout;
  const { group, name } = target;
  for (const [device, { admission, version }] of await admissionsOf(store, group, name)) {
    if (admission.order > order) continue;
    try {
      await store.write([{ remove: admittedKey(group, name, device), ifVersion: version }]);
    } catch (error) {
      // Let in to a newer one meanwhile.
      if (!isConflict(error)) throw error;
    }
  }
  const outlived = (await endedRollouts(store, group, name)).slice(ENDED_KEPT);
  await remove(
    store,
    outlived.map((each) => endedKey(group, name, each.order)),
  );
  const swept: Rollout = { ...rollout, swept: true };
  try {
    await store.write([{ put: rolloutKey(group, name), json: swept, ifVersion: version }]);
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}
