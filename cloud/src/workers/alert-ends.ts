/** Alerts that end though their condition says nothing: those that a person has ended, and those of a device that was removed. */
import { endsInCloud, heardChange } from '../alerts/ends.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import type { Folds } from './folds.ts';
import { endOfGone, type GonePorts } from './gone-devices.ts';

/** What they bring about fits into one write. */
const ENDS_PER_COMMIT = 4;

export interface EndsPorts extends GonePorts {
  folds: Pick<Folds, 'event'>;
}

/** @returns whether there are more */
export async function endAlerts(ports: EndsPorts, device: Device, effects: Effects): Promise<boolean> {
  const hasMoreByHand = await endByHand(ports, device, effects);
  return (await endOfGone(ports, device.state.device, effects)) || hasMoreByHand;
}

/** Whichever of the hub's own rules and functions has them open says that they are over. */
async function endByHand({ store, clock, folds }: EndsPorts, device: Device, effects: Effects): Promise<boolean> {
  const name = device.state.device;
  const ends = await endsInCloud(store, name);
  for (const { episode, position } of ends.slice(0, ENDS_PER_COMMIT)) {
    await folds.event(device, { kind: 'end', episode }, { position, receivedAt: clock.now() }, effects);
    effects.addOnce([heardChange({ device: name, origin: 'cloud', episode })]);
  }
  return ends.length > ENDS_PER_COMMIT;
}
