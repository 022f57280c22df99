/** Alerts of the hub's own rules and functions that a person has ended: whoever has them open says that they are over. */
import { endsInCloud, heardChange } from '../alerts/ends.ts';
import type { Clock } from '../clock/clock.ts';
import type { Store } from '../store/store.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import type { Folds } from './folds.ts';

/** What they bring about fits into one write. */
const ENDS_PER_COMMIT = 4;

/** @returns whether there are more */
export async function endByHand(
  { store, clock, folds }: { store: Store; clock: Clock; folds: Pick<Folds, 'event'> },
  device: Device,
  effects: Effects,
): Promise<boolean> {
  const name = device.state.device;
  const ends = await endsInCloud(store, name);
  for (const { episode, position } of ends.slice(0, ENDS_PER_COMMIT)) {
    await folds.event(device, { kind: 'end', episode }, { position, receivedAt: clock.now() }, effects);
    effects.addOnce([heardChange({ device: name, origin: 'cloud', episode })]);
  }
  return ends.length > ENDS_PER_COMMIT;
}
