import type { Store } from '../store/store.ts';
import type { DeviceStored } from './devices.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord } from './fleet.ts';
import { devicesOf, requireGroup } from './groups.ts';
import { deviceKey } from './keys.ts';
import { newestOf } from './rollout/setting.ts';
import { settingsOf } from './rollout/stored.ts';
import { winners } from './winners.ts';

/** Of one device: one commit of its worker carries the states of all of them. */
export const CLOUD_DEPLOYMENTS_MAX = 50;

/**
 * Refuses a deployment with which a device of its group would have more in the cloud than can run.
 *
 * @throws {FleetError} `limit-exceeded` with the device
 */
export async function requireCloudRoom(store: Store, next: DeploymentRecord): Promise<void> {
  if (next.where !== 'cloud') return;
  const checked = new Set<string>();
  for await (const device of devicesOf(store, next.group)) {
    const item = await store.get(deviceKey(device, 'record'));
    const groups = (item?.json as DeviceStored | undefined)?.groups ?? [];
    // Most devices of a group are in the same groups.
    const key = groups.join();
    if (checked.has(key)) continue;
    checked.add(key);
    await requireRoomOn(store, device, groups, next);
  }
}

async function requireRoomOn(
  store: Store,
  device: string,
  groups: readonly string[],
  next: DeploymentRecord,
): Promise<void> {
  const all = (await Promise.all(groups.map((group) => settingsOf(store, group)))).flatMap(newestOf);
  const others = all.filter(({ group, name }) => group !== next.group || name !== next.name);
  const { priority = 0 } = await requireGroup(store, next.group);
  const wanted = winners([...others, { ...next, priority }]);
  const count = [...wanted.values()].filter(({ deployment }) => deployment.where === 'cloud').length;
  if (count <= CLOUD_DEPLOYMENTS_MAX) return;
  throw new FleetError(
    'limit-exceeded',
    `device "${device}" would have ${count} functions and rules in the cloud; ${CLOUD_DEPLOYMENTS_MAX} is the limit`,
    'take one off first, or run it on the device: --where edge',
  );
}
