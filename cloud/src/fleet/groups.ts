import { isGatherer } from '@weir/protocols';
import type { Store } from '../store/store.ts';
import type { DeviceStored } from './devices.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord, GroupRecord, PageOf, PageOptions } from './fleet.ts';
import { deviceKey, groupKey, itemsOf, memberKey, prefixRange } from './keys.ts';
import { untilWritten } from './turns.ts';

interface GroupStored {
  createdAt: number;
}

/** A device in hundreds of groups is a mistake, and its shadow could not hold what they want. */
const GROUPS_PER_DEVICE_MAX = 32;

export async function createGroup(store: Store, name: string, now: number): Promise<void> {
  await untilWritten(async () => {
    if ((await store.get(groupKey(name))) !== undefined) {
      throw new FleetError(
        'group-exists',
        `there is a group "${name}" already`,
        `see it with: weir group show ${name}`,
      );
    }
    await store.write([{ put: groupKey(name), json: { createdAt: now } satisfies GroupStored, ifVersion: 0 }]);
  });
}

/** @throws {FleetError} `group-unknown` */
export async function requireGroup(store: Store, name: string): Promise<GroupStored> {
  const item = await store.get(groupKey(name));
  if (item !== undefined) return item.json as GroupStored;
  throw new FleetError('group-unknown', `there is no group "${name}"`, `make it with: weir group create ${name}`);
}

export async function* devicesOf(store: Store, group: string): AsyncGenerator<string> {
  for await (const item of itemsOf(store, { table: 'group', partition: group, ...prefixRange('device/') })) {
    yield item.sort.slice('device/'.length);
  }
}

export async function memberPage(store: Store, group: string, page: PageOptions): Promise<PageOf<string>> {
  const found = await store.query({ table: 'group', partition: group, ...prefixRange('device/'), ...page });
  const items = found.items.map((item) => item.sort.slice('device/'.length));
  return found.next === undefined ? { items } : { items, next: found.next };
}

export async function deploymentsOf(store: Store, group: string): Promise<DeploymentRecord[]> {
  const found: DeploymentRecord[] = [];
  for await (const item of itemsOf(store, { table: 'group', partition: group, ...prefixRange('deployment/') })) {
    found.push(item.json as DeploymentRecord);
  }
  return found;
}

export async function getGroup(store: Store, name: string): Promise<GroupRecord | undefined> {
  const item = await store.get(groupKey(name));
  if (item === undefined) return undefined;
  return {
    name,
    createdAt: (item.json as GroupStored).createdAt,
    devices: await Array.fromAsync(devicesOf(store, name)),
    deployments: await deploymentsOf(store, name),
  };
}

export async function listGroups(
  store: Store,
  page: PageOptions = {},
): Promise<PageOf<{ name: string; createdAt: number }>> {
  const { names, next } = await store.partitions('group', page);
  const items: { name: string; createdAt: number }[] = [];
  for (const name of names) {
    const item = await store.get(groupKey(name));
    if (item !== undefined) items.push({ name, createdAt: (item.json as GroupStored).createdAt });
  }
  return next === undefined ? { items } : { items, next };
}

/** Record and member item change in one write, so that neither can name what the other does not. */
export async function setMember(
  store: Store,
  group: string,
  device: string,
  member: boolean,
  now: number,
): Promise<boolean> {
  return untilWritten(async () => {
    await requireGroup(store, group);
    const item = await store.get(deviceKey(device, 'record'));
    if (item === undefined) throw unknownDevice(device);
    const stored = item.json as DeviceStored;
    if (stored.groups.includes(group) === member) return false;
    const groups = member ? [...stored.groups, group].sort() : stored.groups.filter((name) => name !== group);
    requireFewGroups(device, groups);
    await store.write([
      { put: deviceKey(device, 'record'), json: { ...stored, groups }, ifVersion: item.version },
      member ? { put: memberKey(group, device), json: { addedAt: now } } : { remove: memberKey(group, device) },
    ]);
    return true;
  });
}

export function requireFewGroups(device: string, groups: readonly string[]): void {
  if (groups.length <= GROUPS_PER_DEVICE_MAX) return;
  throw new FleetError(
    'limit-exceeded',
    `device "${device}" would be in ${groups.length} groups; ${GROUPS_PER_DEVICE_MAX} is the limit`,
    'take it out of a group first: weir group remove GROUP DEVICE',
  );
}

export function unknownDevice(device: string): FleetError {
  if (isGatherer(device)) {
    const message = `"${device}" is no device, but a function that gathers`;
    return new FleetError('device-unknown', message, `see how it does: weir deploy status --device ${device}`);
  }
  return new FleetError('device-unknown', `there is no device "${device}"`, 'see which there are: weir device list');
}
