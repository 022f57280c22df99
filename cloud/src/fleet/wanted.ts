/**
 * What a device should run: the one way from its groups to `desired`, to a statement, to the folds of the hub.
 *
 *     groups of the device -> what each wants of it, by its rollouts -> of those with one name, the winner
 */
import type { Store } from '../store/store.ts';
import { getDevice } from './devices.ts';
import type { DeploymentRecord } from './fleet.ts';
import { isCarried } from './rollout/rollout.ts';
import { settingFor } from './rollout/setting.ts';
import { getAdmission, settingsOf } from './rollout/stored.ts';
import { onDevice } from './tag-levels.ts';
import { type Winner, winners } from './winners.ts';

/**
 * By name.
 *
 * @param assumed that is rolled out: what would win if its group wanted it of the device?
 * @returns undefined when there is no such device
 */
export async function wantedOf(
  store: Store,
  device: string,
  assumed?: DeploymentRecord,
): Promise<Map<string, Winner> | undefined> {
  const record = await getDevice(store, device);
  if (record === undefined) return undefined;
  const perGroup = await Promise.all(record.groups.map((group) => settingsOn(store, group, device, assumed)));
  const wanted = winners(perGroup.flat());
  return new Map([...wanted].map(([name, winner]) => [name, onDevice(winner, record.tags)]));
}

async function settingsOn(
  store: Store,
  group: string,
  device: string,
  assumed: DeploymentRecord | undefined,
): Promise<DeploymentRecord[]> {
  const { standing, rollouts } = await settingsOf(store, group);
  const settings = new Map(standing.map((record) => [record.name, record]));
  for (const rollout of rollouts) {
    if (!isCarried(rollout)) continue;
    const { target } = rollout;
    const { name } = target;
    if (assumed?.group === group && assumed.name === name) settings.set(name, target);
    else {
      const setting = settingFor(rollout, settings.get(name), await getAdmission(store, group, name, device));
      if (setting !== undefined) settings.set(name, setting);
    }
  }
  return [...settings.values()];
}
