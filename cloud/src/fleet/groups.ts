/**
 * Groups: what they are, and who is in them.
 *
 *     group / <name> / record              what was set
 *     group / <name> / device/<device>     a member, and whether it is listed or its tags are selected
 *
 * What is set of a group and what selects for it change in one write; devices follow by the {@link Sweep}.
 */
import { formatSelector } from '@weir/protocols';
import type { Store } from '../store/store.ts';
import { withTrial } from './bundles.ts';
import { FleetError } from './error.ts';
import type {
  DeploymentRecord,
  GroupMember,
  GroupRecord,
  GroupSettings,
  GroupSummary,
  PageOf,
  PageOptions,
} from './fleet.ts';
import { groupKey, itemsOf, prefixRange } from './keys.ts';
import { changeDevice, GROUPS_PER_DEVICE_MAX, listedOf, type MemberStored } from './membership.ts';
import { readSelectors, type Selectors, selectorsChange, understood } from './selectors.ts';
import { untilWritten } from './turns.ts';

interface GroupStored {
  createdAt: number;
  /** As it is printed. */
  selector?: string;
  /** Absent: 0. */
  priority?: number;
  /** ms; null: nobody is told. Absent: as the hub has it. */
  alertAfterMs?: number | null;
  /** It is gone for people; its devices are being told. */
  removing?: true;
}

export const GROUP_PRIORITY_MAX = 1_000;

export async function createGroup(
  store: Store,
  name: string,
  now: number,
  settings: GroupSettings = {},
): Promise<void> {
  await untilWritten(async () => {
    const existing = await store.get(groupKey(name));
    if (existing !== undefined) throw groupExists(name, existing.json as GroupStored);
    const stored = withSettings({ createdAt: now }, settings);
    await store.write([
      { put: groupKey(name), json: stored, ifVersion: 0 },
      ...(await selectorsOf(store, name, stored, undefined)),
    ]);
  });
}

/** @returns what is set now, and what was */
export async function setGroup(
  store: Store,
  name: string,
  settings: GroupSettings,
): Promise<{ before: GroupStored; after: GroupStored }> {
  return untilWritten(async () => {
    const item = await store.get(groupKey(name));
    const before = item?.json as GroupStored | undefined;
    if (before === undefined || before.removing) throw unknownGroup(name);
    const after = withSettings(before, settings);
    await store.write([
      { put: groupKey(name), json: after, ifVersion: item!.version },
      ...(await selectorsOf(store, name, after, before)),
    ]);
    return { before, after };
  });
}

/** From here on it is no group any more; the sweep tells its devices. Nothing may be deployed to it. */
export async function removeGroup(store: Store, name: string): Promise<void> {
  await untilWritten(async () => {
    const item = await store.get(groupKey(name));
    const before = item?.json as GroupStored | undefined;
    if (before === undefined || before.removing) throw unknownGroup(name);
    const selectors = await readSelectors(store);
    const { [name]: _, ...groups } = selectors.stored.groups;
    const removing = [...selectors.stored.removing, name];
    await store.write([
      { put: groupKey(name), json: { ...before, removing: true } satisfies GroupStored, ifVersion: item!.version },
      selectorsChange(selectors, { groups, removing }),
    ]);
  });
}

function withSettings(stored: GroupStored, { selector, priority, alertAfterMs }: GroupSettings): GroupStored {
  const { selector: selectorBefore, alertAfterMs: alertBefore, ...rest } = stored;
  const nextSelector = selector === undefined ? selectorBefore : selector === null ? undefined : printed(selector);
  const nextAlert = alertAfterMs === undefined ? alertBefore : alertAfterMs === 'default' ? undefined : alertAfterMs;
  return {
    ...rest,
    ...(nextSelector !== undefined && { selector: nextSelector }),
    ...(priority !== undefined && { priority }),
    ...(nextAlert !== undefined && { alertAfterMs: nextAlert }),
  };
}

function printed(selector: string): string {
  return formatSelector(understood(selector));
}

async function selectorsOf(store: Store, name: string, after: GroupStored, before: GroupStored | undefined) {
  const { selector, priority = 0 } = after;
  if (selector === before?.selector && priority === (before?.priority ?? 0)) return [];
  if (selector === undefined && before?.selector === undefined) return [];
  const selectors: Selectors = await readSelectors(store);
  const { [name]: _, ...others } = selectors.stored.groups;
  const groups = selector === undefined ? others : { ...others, [name]: { selector, priority } };
  return [selectorsChange(selectors, { groups })];
}

function groupExists(name: string, { removing }: GroupStored): FleetError {
  return removing
    ? new FleetError('group-exists', `the group "${name}" is being removed`, 'try again in a moment')
    : new FleetError('group-exists', `there is a group "${name}" already`, `see it with: weir group show ${name}`);
}

function unknownGroup(name: string): FleetError {
  return new FleetError(
    'group-unknown',
    `there is no group "${name}"`,
    `see which there are: weir group list; or make it: weir group create ${name}`,
  );
}

/** @throws {FleetError} `group-unknown` */
export async function requireGroup(store: Store, name: string): Promise<GroupStored> {
  const group = (await store.get(groupKey(name)))?.json as GroupStored | undefined;
  if (group === undefined || group.removing) throw unknownGroup(name);
  return group;
}

export async function hasGroup(store: Store, name: string): Promise<boolean> {
  const group = (await store.get(groupKey(name)))?.json as GroupStored | undefined;
  return group !== undefined && !group.removing;
}

export async function* devicesOf(store: Store, group: string): AsyncGenerator<string> {
  for await (const item of itemsOf(store, { table: 'group', partition: group, ...prefixRange('device/') })) {
    yield item.sort.slice('device/'.length);
  }
}

/** @throws {FleetError} `group-unknown` */
export async function memberPage(store: Store, group: string, page: PageOptions): Promise<PageOf<GroupMember>> {
  await requireGroup(store, group);
  const found = await store.query({ table: 'group', partition: group, ...prefixRange('device/'), ...page });
  const items = found.items.map(({ sort, json }): GroupMember => {
    const { listed = true, matched = false } = json as MemberStored;
    return { device: sort.slice('device/'.length), listed, matched };
  });
  return found.next === undefined ? { items } : { items, next: found.next };
}

/** @returns undefined: there is no such group any more */
export async function priorityOf(store: Store, group: string): Promise<number | undefined> {
  const stored = (await store.get(groupKey(group)))?.json as GroupStored | undefined;
  return stored === undefined || stored.removing ? undefined : (stored.priority ?? 0);
}

/** What a group wants, with its priority: {@link winners} takes that of several groups. */
export async function deploymentsOf(store: Store, group: string): Promise<DeploymentRecord[]> {
  const record = await store.get(groupKey(group));
  const { priority = 0, removing } = (record?.json ?? { removing: true }) as GroupStored;
  if (removing) return [];
  const found: DeploymentRecord[] = [];
  for await (const item of itemsOf(store, { table: 'group', partition: group, ...prefixRange('deployment/') })) {
    const deployment = item.json as DeploymentRecord;
    found.push(priority === 0 ? deployment : { ...deployment, priority });
  }
  return found;
}

/** So many members come with a group itself; all of them come page by page. */
const MEMBERS_SHOWN = 1_000;

export async function getGroup(store: Store, name: string): Promise<GroupRecord | undefined> {
  const item = await store.get(groupKey(name));
  if (item === undefined || (item.json as GroupStored).removing) return undefined;
  const members = { total: 0, listed: 0, matched: 0 };
  const devices: string[] = [];
  for await (const { sort, json } of itemsOf(store, { table: 'group', partition: name, ...prefixRange('device/') })) {
    const { listed = true, matched = false } = json as MemberStored;
    members.total += 1;
    if (listed) members.listed += 1;
    if (matched) members.matched += 1;
    if (devices.length < MEMBERS_SHOWN) devices.push(sort.slice('device/'.length));
  }
  const deployments = await deploymentsOf(store, name);
  return {
    ...summaryOf(name, item.json as GroupStored),
    members,
    devices,
    deployments: await Promise.all(deployments.map((each) => withTrial(store, each))),
  };
}

function summaryOf(name: string, { createdAt, selector, priority = 0, alertAfterMs }: GroupStored): GroupSummary {
  return {
    ...{ name, createdAt, priority },
    ...(selector !== undefined && { selector }),
    ...(alertAfterMs !== undefined && { alertAfterMs }),
  };
}

export async function listGroups(store: Store, page: PageOptions = {}): Promise<PageOf<GroupSummary>> {
  const { names, next } = await store.partitions('group', page);
  const items: GroupSummary[] = [];
  for (const name of names) {
    const stored = (await store.get(groupKey(name)))?.json as GroupStored | undefined;
    if (stored !== undefined && !stored.removing) items.push(summaryOf(name, stored));
  }
  return next === undefined ? { items } : { items, next };
}

/** @returns whether the device is in other groups now */
export async function setMember(
  store: Store,
  group: string,
  device: string,
  member: boolean,
  now: number,
): Promise<boolean> {
  await requireGroup(store, group);
  const { moved, stored } = await changeDevice(store, device, now, (stored) => {
    const listed = listedOf(stored).filter((name) => name !== group);
    if (!member) return { ...stored, listed };
    const next = [...listed, group];
    requireFewGroups(device, next);
    return { ...stored, listed: next, excluded: (stored.excluded ?? []).filter((name) => name !== group) };
  });
  if (!member && stored.matched?.includes(group)) {
    throw new FleetError(
      'member-by-tags',
      `device "${device}" is in group "${group}" by its tags`,
      `change them with: weir device tag ${device} …, or leave it out: weir group exclude ${group} ${device}`,
    );
  }
  return moved;
}

/** A device that is excluded is not in the group, whatever its tags are. @returns whether it is in other groups now */
export async function setExcluded(
  store: Store,
  group: string,
  device: string,
  excluded: boolean,
  now: number,
): Promise<boolean> {
  await requireGroup(store, group);
  const { moved } = await changeDevice(store, device, now, (stored) => {
    const others = (stored.excluded ?? []).filter((name) => name !== group);
    if (!excluded) return { ...stored, excluded: others };
    const listed = listedOf(stored).filter((name) => name !== group);
    return { ...stored, listed, excluded: [...others, group] };
  });
  return moved;
}

export function requireFewGroups(device: string, listed: readonly string[]): void {
  if (listed.length <= GROUPS_PER_DEVICE_MAX) return;
  throw new FleetError(
    'limit-exceeded',
    `device "${device}" would be in ${listed.length} groups; ${GROUPS_PER_DEVICE_MAX} is the limit`,
    'take it out of a group first: weir group remove GROUP DEVICE',
  );
}
