import { type JsonObject, WEIR_SHADOW } from '@weir/protocols';
import { systemClock } from '../../clock/clock.ts';
import { cloudReported } from '../cloud-folds.ts';
import { getDevice } from '../devices.ts';
import type { FleetPorts } from '../fleet.ts';
import { reportedIn } from '../reports.ts';
import { wantedOf } from '../wanted.ts';
import type { RolloutPorts } from './rollouts.ts';

/** What rollouts need of the fleet, but for the devices that have to follow. */
export function rolloutPorts(ports: FleetPorts): Omit<RolloutPorts, 'follow' | 'followGroup'> {
  const { store, now, events } = ports;
  return {
    store,
    now,
    sleep: ports.sleep ?? systemClock.sleep,
    device: (id) => getDevice(store, id),
    reported: async (device, { where, name }) =>
      (where === 'cloud' ? await cloudReported(store, device) : reportedIn(await shadowOf(ports, device))).get(name),
    wantedWith: (device, assumed) => wantedOf(store, device, assumed),
    tell({ target, phase }, { at, text }) {
      const { group, name, version } = target;
      events?.emit({ type: 'rollout', at, group, name, version, phase, text });
    },
    failed: (group, name, error) => ports.onRolloutFailed?.(group, name, error),
  };
}

/** The shadow `weir`. */
export function shadowOf(
  { shadow, downlink }: Pick<FleetPorts, 'shadow' | 'downlink'>,
  device: string,
): Promise<JsonObject | undefined> {
  return shadow === undefined ? downlink.getShadow(device, WEIR_SHADOW) : shadow(device);
}
