/** The hub is gone for a while, and sensors send as fast as they are acknowledged: memory stays as it is. */
import { rssMb } from '../bench/process-figures.ts';
import { faultsOf } from './ledger.ts';
import { Plant } from './plant.ts';
import { figuresOf, pause, type Scenario } from './scenario.ts';

const OFFLINE_MS = { short: 6_000, full: 120_000 };
const SAMPLE_MS = 100;
/** Heaps grow to their working size at first. */
const WARM_UP = 0.4;
/** From then on: what a collection that comes late is good for. */
const GROWTH_MB_MAX = 48;
const PER_SECOND = 20_000;

export const offline: Scenario = {
  about: "no hub, and readings as fast as they are acknowledged: the gateway's memory does not grow",
  async run({ size, say, signal }) {
    const plant = await Plant.start({ sensors: 4, perSecond: PER_SECOND });
    try {
      await plant.deploy();
      await plant.system.kill('hub');
      plant.load();
      const samples: number[] = [];
      const until = performance.now() + OFFLINE_MS[size];
      while (performance.now() < until) {
        await pause(SAMPLE_MS, signal);
        samples.push(rssMb(plant.pid('agent')));
      }
      await plant.rest();
      const buffered = plant.acknowledged;
      const warm = Math.floor(samples.length * WARM_UP);
      const [before, after] = [samples.slice(0, warm), samples.slice(warm)].map((each) => Math.max(...each));
      say(
        `${buffered} readings acknowledged without a hub; ${Math.round(before!)} MB at first, then ${Math.round(after!)} MB`,
      );
      await plant.startAll();
      const books = await plant.settle();
      const figures = {
        offline_s: OFFLINE_MS[size] / 1_000,
        rss_mb_first: Math.round(before!),
        rss_mb_then: Math.round(after!),
      };
      const grown = after! - before!;
      const faults = grown > GROWTH_MB_MAX ? [`the gateway's memory grew by ${Math.round(grown)} MB`] : [];
      return { figures: { ...figures, ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
    } finally {
      await plant.stop();
    }
  },
};
