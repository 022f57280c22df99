/** One side stands still for longer than the other waits, and goes on where it was. */
import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { recovery, restarted } from './recovery.ts';
import { figuresOf, pause, type Scenario } from './scenario.ts';

const TURNS = { short: 1, full: 10 };
const LOAD_MS = 1_000;
/** Longer than the gateway waits for an acknowledgement; the full one longer, too, than 1.5 times its keepalive. */
const FROZEN_MS = { short: 6_000, full: 9_000 };
const SIDES: readonly Side[] = ['hub', 'agent'];

export const frozen: Scenario = {
  about: 'SIGSTOP of either side for longer than the other waits, then SIGCONT',
  async run({ size, say, signal }) {
    const plant = await Plant.start({ sensors: 4, perSecond: 100 });
    const pids = { hub: plant.pid('hub'), agent: plant.pid('agent') };
    try {
      plant.load();
      const faults: string[] = [];
      for (let turn = 0; turn < TURNS[size]; turn++) {
        for (const side of SIDES) {
          await pause(LOAD_MS, signal);
          const connectedSince = (await plant.status()).uplink.since;
          plant.system.signal(side, 'SIGSTOP');
          await pause(FROZEN_MS[size], signal);
          plant.system.signal(side, 'SIGCONT');
          const storedAgainS = await recovery(plant, 'hub');
          const { uplink } = await plant.status();
          // A short stop of the gateway is none to the hub, which has answered all the same.
          const isFound = side === 'hub' || size === 'full';
          if (isFound && uplink.since === connectedSince)
            faults.push(`the ${side} stood still, and the link was taken for sound`);
          say(`turn ${turn + 1}: the ${side} stood still; readings are stored again after ${storedAgainS} s`);
        }
      }
      await plant.rest();
      const books = await plant.settle();
      faults.push(...faultsOf(books), ...SIDES.flatMap((side) => restarted(plant, side, pids[side])));
      return { figures: { stops: TURNS[size] * SIDES.length, ...figuresOf(books) }, faults };
    } finally {
      await plant.stop();
    }
  },
};
