/**
 * What a device should run: the one way from its groups to `desired`, to a statement, to the folds of the hub.
 *
 *     groups of the device -> what each wants -> of those with one name, the winner
 */
import type { Store } from '../store/store.ts';
import { getDevice } from './devices.ts';
import { deploymentsOf } from './groups.ts';
import { type Winner, winners } from './winners.ts';

/** By name. @returns undefined when there is no such device */
export async function wantedOf(store: Store, device: string): Promise<Map<string, Winner> | undefined> {
  const record = await getDevice(store, device);
  if (record === undefined) return undefined;
  const perGroup = await Promise.all(record.groups.map((group) => deploymentsOf(store, group)));
  return winners(perGroup.flat());
}
