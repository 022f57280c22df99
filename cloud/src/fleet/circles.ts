import { type FlowNode, flowOf } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { bundleRecord } from './bundles.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord } from './fleet.ts';
import { newestOf } from './rollout/setting.ts';
import { settingsOf } from './rollout/stored.ts';

/**
 * Refuses a function that would close a circle with those that its group runs in the same place.
 *
 * Groups are looked at one by one; where several make a circle on a device of both, the device refuses to run it and
 * says so.
 *
 * @throws {FleetError} `flow-circle` with the path
 */
export async function refuseCircle(store: Store, next: DeploymentRecord): Promise<void> {
  const settings = await settingsOf(store, next.group);
  // While others are rolled out some devices run the version before, and some the one after.
  for (const others of [settings.standing, newestOf(settings)]) await refuseCircleWith(store, others, next);
}

async function refuseCircleWith(
  store: Store,
  others: readonly DeploymentRecord[],
  next: DeploymentRecord,
): Promise<void> {
  const beside = others.filter(
    ({ name, where, kind }) => kind === 'function' && name !== next.name && where === next.where,
  );
  const records = await Promise.all([...beside, next].map(({ hash }) => bundleRecord(store, hash)));
  const { cycle } = flowOf(records.flatMap((record): FlowNode[] => (record?.flow === undefined ? [] : [record.flow])));
  if (cycle === undefined) return;
  throw new FleetError(
    'flow-circle',
    `"${next.name}" would feed itself: ${cycle.join(' -> ')}`,
    'change the inputs or outputs of one of them, so that readings come to an end',
  );
}
