/**
 * Which groups a device is in: those that list it, and those whose selector takes its tags, but for those that leave it out.
 *
 *     listed + matched by tags - excluded -> at most 32: listed ones first, then by priority
 *
 * It is derived, and kept with the device and with each of its groups in one write, under the versions of what it was derived from. A
 * device that was placed by selectors which changed meanwhile is placed again: by whoever placed it, and after a crash by the
 * {@link Sweep} of the next start.
 */
import { isDeepStrictEqual } from 'node:util';
import { selects, type Tags } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import type { DeviceStored } from './devices.ts';
import { deviceKey, memberKey } from './keys.ts';
import { readSelectors, type Selectors, selectorsVersion } from './selectors.ts';
import { untilWritten } from './turns.ts';
import { unknownDevice } from './unknown-device.ts';

/** A device in more is a mistake, and its shadow could not hold what they want. */
export const GROUPS_PER_DEVICE_MAX = 32;

/** How a device is in a group. */
export interface Membership {
  listed: boolean;
  matched: boolean;
}

/** What an item of a member holds; one from before selectors has neither and is listed. */
export interface MemberStored extends Partial<Membership> {
  /** Since when it is in the group, ms since epoch. */
  addedAt: number;
}

/** The parts of a device's record that say where it is. */
export type Placed = Pick<DeviceStored, 'groups' | 'listed' | 'matched' | 'excluded' | 'over'>;

type Wanted = Placed & { tags: Tags };

/** @returns the record with its groups derived anew */
export function placed<T extends Wanted>(device: T, selectors: Pick<Selectors, 'groups' | 'removing'>): T {
  const { removing } = selectors;
  const excluded = (device.excluded ?? []).filter((group) => !removing.has(group)).sort();
  const isOut = (group: string) => removing.has(group) || excluded.includes(group);
  const listed = [...new Set(listedOf(device))].filter((group) => !isOut(group)).sort();
  const taking = selectors.groups.filter(({ name, selector }) => !isOut(name) && selects(selector, device.tags));
  const further = taking
    .filter(({ name }) => !listed.includes(name))
    .sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
  const all = [...listed, ...further];
  const groups = all.slice(0, GROUPS_PER_DEVICE_MAX).sort();
  const matched = taking.map(({ name }) => name).filter((name) => groups.includes(name));
  const { matched: _m, excluded: _e, over: _o, ...rest } = device;
  return {
    ...rest,
    groups,
    listed,
    ...(matched.length > 0 && { matched: matched.sort() }),
    ...(excluded.length > 0 && { excluded }),
    ...(all.length > GROUPS_PER_DEVICE_MAX && { over: all.slice(GROUPS_PER_DEVICE_MAX) }),
  } as T;
}

/** Of a record from before selectors all are. */
export function listedOf({ listed, groups }: Pick<Placed, 'listed' | 'groups'>): readonly string[] {
  return listed ?? groups;
}

/** What must be written with the record, so that neither can name what the other does not. */
export async function memberChanges(
  store: Store,
  device: string,
  before: Placed | undefined,
  after: Placed,
  now: number,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const group of new Set([...(before?.groups ?? []), ...after.groups])) {
    const was = before && membershipIn(before, group);
    const is = membershipIn(after, group);
    if (isDeepStrictEqual(was, is)) continue;
    const key = memberKey(group, device);
    // Who was in it stays so since then, however it is in it now.
    const kept = was && ((await store.get(key))?.json as MemberStored | undefined)?.addedAt;
    changes.push(
      is === undefined ? { remove: key } : { put: key, json: { addedAt: kept ?? now, ...is } satisfies MemberStored },
    );
  }
  return changes;
}

function membershipIn(device: Placed, group: string): Membership | undefined {
  if (!device.groups.includes(group)) return undefined;
  return { listed: listedOf(device).includes(group), matched: device.matched?.includes(group) ?? false };
}

export interface Changed {
  /** Whether it is in other groups now. */
  moved: boolean;
  stored: DeviceStored;
}

/**
 * Changes a device's record, and places it by that, in one write.
 * @param change may be asked several times: once for each writer that was first
 * @throws {FleetError} `device-unknown`
 */
export async function changeDevice(
  store: Store,
  device: string,
  now: number,
  change: (stored: DeviceStored) => DeviceStored = (stored) => stored,
): Promise<Changed> {
  let moved = false;
  for (;;) {
    const { selectors, changed } = await untilWritten(async () => {
      const selectors = await readSelectors(store);
      return { selectors, changed: await changeOnce(store, device, now, change, selectors) };
    });
    moved ||= changed.moved;
    if ((await selectorsVersion(store)) === selectors.version) return { moved, stored: changed.stored };
  }
}

/** By selectors that were read just now. @throws {StoreError} `conflict` when another writer was first */
export async function changeOnce(
  store: Store,
  device: string,
  now: number,
  change: (stored: DeviceStored) => DeviceStored,
  selectors: Selectors,
): Promise<Changed> {
  const item = await store.get(deviceKey(device, 'record'));
  if (item === undefined) throw unknownDevice(device);
  const before = item.json as DeviceStored;
  const stored = placed(change(before), selectors);
  // A record from before selectors is written when something changes, and not for that alone.
  const same = isDeepStrictEqual({ ...before, listed: listedOf(before) }, stored);
  if (!same) {
    await store.write([
      { put: deviceKey(device, 'record'), json: stored, ifVersion: item.version },
      ...(await memberChanges(store, device, before, stored, now)),
    ]);
  }
  return { moved: !isDeepStrictEqual(before.groups, stored.groups), stored };
}
