/** Devices that shall speak for nobody any more. */
import { isGatherer } from '@weir/protocols';
import type { Store } from '../store/store.ts';
import { statementKey } from '../trust/keys.ts';
import type { DeviceStored } from './devices.ts';
import { revoked } from './enrolment.ts';
import { removedMarkChanges } from './forgotten.ts';
import { type DevicePart, deviceKey, memberKey } from './keys.ts';
import { untilWritten } from './turns.ts';
import { unknownDevice } from './unknown-device.ts';

/** Durable when it resolves. @returns its groups. @throws {FleetError} `device-unknown` */
export async function revokeDevice(store: Store, device: string, now: number): Promise<string[]> {
  return untilWritten(async () => {
    const item = isGatherer(device) ? undefined : await store.get(deviceKey(device, 'record'));
    if (item === undefined) throw unknownDevice(device);
    const stored = revoked(item.json as DeviceStored, now);
    await store.write([{ put: deviceKey(device, 'record'), json: stored, ifVersion: item.version }]);
    return stored.groups;
  });
}

const PARTS: readonly DevicePart[] = ['presence', 'refused', 'cloud'];

/** Out of the registry and of its groups, in one write. */
export async function removeDevice(store: Store, device: string): Promise<void> {
  await untilWritten(async () => {
    const item = await store.get(deviceKey(device, 'record'));
    if (item === undefined) return;
    const stored = item.json as DeviceStored;
    const { groups } = stored;
    await store.write([
      ...(await removedMarkChanges(store, stored)),
      { remove: deviceKey(device, 'record'), ifVersion: item.version },
      { remove: statementKey(device) },
      ...PARTS.map((part) => ({ remove: deviceKey(device, part) })),
      ...groups.map((group) => ({ remove: memberKey(group, device) })),
    ]);
  });
}
