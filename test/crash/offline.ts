/** The hub is gone for a while, and sensors send as fast as they are acknowledged: memory stays as it is. */
import { rssMb } from '../bench/process-figures.ts';
import { faultsOf } from './ledger.ts';
import { Plant } from './plant.ts';
import { figuresOf, pause, type Scenario } from './scenario.ts';

const OFFLINE_MS = { short: 6_000, full: 180_000 };
const SAMPLE_MS = 100;
/**
 * A heap grows until it is collected, which at this rate is about once in a minute and a half, and falls back. What does
 * not fall back is what piles up: the least of the last quarter is compared with the most of the first.
 */
const PART = 0.25;
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
      const part = Math.ceil(samples.length * PART);
      const [first, last] = [Math.max(...samples.slice(0, part)), Math.min(...samples.slice(-part))];
      say(
        `${buffered} readings acknowledged without a hub; at first up to ${Math.round(first)} MB, at last ${Math.round(last)} MB`,
      );
      await plant.startAll();
      const books = await plant.settle();
      const figures = {
        offline_s: OFFLINE_MS[size] / 1_000,
        rss_mb_first_max: Math.round(first),
        rss_mb_last_min: Math.round(last),
      };
      const grown = last - first;
      const faults = grown > GROWTH_MB_MAX ? [`the gateway's memory grew by ${Math.round(grown)} MB`] : [];
      return { figures: { ...figures, ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
    } finally {
      await plant.stop();
    }
  },
};
