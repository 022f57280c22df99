/** The line between gateway and hub is slow, is cut within a packet, loses acknowledgements, or dies without a word. */
import { eventually } from '../support/system.ts';
import { FaultyLine, type Line } from './faulty-line.ts';
import { faultsOf } from './ledger.ts';
import { Plant } from './plant.ts';
import { figuresOf, pause, type Scenario } from './scenario.ts';

const TURNS = { short: 1, full: 8 };
const LINES: readonly Line[] = ['slow', 'deaf', 'dead'];
const SOUND_MS = 500;
/** Longer than a gateway waits for an acknowledgement. */
const FAULT_MS = 5_000;
const FOUND_MS = 30_000;
/** Anywhere in a batch, or in the head of its packet. */
const CUT_BYTES_MAX = 3_000;

export const line: Scenario = {
  about: 'the line between gateway and hub is slow, is cut within a packet, loses PUBACKs, or is half open',
  async run({ size, random, say, signal }) {
    let port = 0;
    const proxy = new FaultyLine(() => port);
    const endpoint = `127.0.0.1:${await proxy.listen()}`;
    const plant = await Plant.start({ sensors: 4, perSecond: 100, endpoint });
    port = plant.system.hubPorts.mqtt;
    try {
      plant.load();
      const faults: string[] = [];
      let cuts = 0;
      for (let turn = 0; turn < TURNS[size]; turn++) {
        for (const state of LINES) {
          const opened = proxy.opened;
          await pause(SOUND_MS, signal);
          proxy.cutAfter(Math.floor(random() * CUT_BYTES_MAX));
          cuts++;
          await eventually('another connection', () => proxy.opened > opened || undefined, FOUND_MS);
          await isUp(plant);
          const before = proxy.opened;
          proxy.become(state);
          await pause(FAULT_MS, signal);
          if (state !== 'slow' && proxy.opened === before) faults.push(`a line that is ${state} was taken for sound`);
          proxy.become('sound');
          await isUp(plant);
          say(`turn ${turn + 1}: ${state}, ${proxy.opened - before} connections tried; sound again`);
        }
      }
      await plant.rest();
      const books = await plant.settle();
      const figures = { cuts, connections: proxy.opened, ...figuresOf(books) };
      return { figures, faults: [...faults, ...faultsOf(books)] };
    } finally {
      await plant.stop();
      proxy.close();
    }
  },
};

/** Something that is acknowledged from now on has reached the hub. */
async function isUp(plant: Plant): Promise<void> {
  const before = await plant.storedCount();
  const grows = async () => (await plant.storedCount()) > before || undefined;
  await eventually('readings reach the hub again', grows, FOUND_MS);
}
