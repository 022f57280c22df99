import { isGatherer } from '@weir/protocols';
import type { Store } from '../store/store.ts';
import { getDevice, listDevices } from './devices.ts';
import type { DeviceRecord, PageOf, PageOptions } from './fleet.ts';
import { gatherersOf } from './gatherers.ts';
import { listGroups, memberPage } from './groups.ts';
import { unknownDevice } from './unknown-device.ts';

interface Among extends PageOptions {
  group?: string | undefined;
  device?: string | undefined;
}

/** Devices of a group, or of all; or the one. @throws {FleetError} `device-unknown`, `group-unknown` */
export async function devicePage(store: Store, { group, device, ...page }: Among): Promise<PageOf<DeviceRecord>> {
  if (device !== undefined && isGatherer(device)) return { items: [] };
  if (device !== undefined) {
    const record = await getDevice(store, device);
    if (record === undefined) throw unknownDevice(device);
    return { items: group === undefined || record.groups.includes(group) ? [record] : [] };
  }
  if (group === undefined) return listDevices(store, page);
  const members = await memberPage(store, group, page);
  const records = await Promise.all(members.items.map((member) => getDevice(store, member.device)));
  const items = records.filter((record) => record !== undefined);
  return members.next === undefined ? { items } : { items, next: members.next };
}

/** Of one group, or of all; they come behind the last device. */
export async function gatherersAmong(store: Store, { group, device }: Among): Promise<string[]> {
  if (device !== undefined) return isGatherer(device) ? [device] : [];
  if (group !== undefined) return gatherersOf(store, group);
  const found: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await listGroups(store, after === undefined ? {} : { after });
    for (const { name } of page.items) found.push(...(await gatherersOf(store, name)));
    if (page.next === undefined) return found;
    after = page.next;
  }
}
