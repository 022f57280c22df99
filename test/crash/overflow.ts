/** The outbox has no room for what comes while the hub is gone, and both sides are killed meanwhile: gaps equal drops. */
import { faultsOf } from './ledger.ts';
import { Plant } from './plant.ts';
import { figuresOf, pause, type Scenario } from './scenario.ts';

const ROUNDS = { short: 3, full: 40 };
const GONE_MS_MAX = 2_500;
const BACK_MS_MAX = 1_500;
const LANE = {
  bytesMax: '64KiB',
  policy: 'drop-oldest',
  // What the function emits is thinned out before any of it goes.
  metrics: [{ metric: 'again', policy: 'downsample', every: '1s' }],
};

export const overflow: Scenario = {
  about: 'an outbox that is too small, with kills of both sides: what was given up is told, to the reading',
  async run({ size, random, say, signal }) {
    const outbox = { lanes: { live: LANE, backfill: LANE } };
    const plant = await Plant.start({ sensors: 4, perSecond: 300, agentConfig: { outbox } });
    try {
      await plant.deploy();
      plant.load();
      for (let round = 1; round <= ROUNDS[size]; round++) {
        await plant.underLoad();
        await plant.system.kill('hub');
        await pause(random() * GONE_MS_MAX, signal);
        await plant.system.kill('agent');
        await plant.start('agent');
        await plant.underLoad();
        await pause(random() * GONE_MS_MAX, signal);
        await plant.start('hub');
        await pause(random() * BACK_MS_MAX, signal);
        say(`round ${round} of ${ROUNDS[size]}: ${plant.acknowledged} readings acknowledged`);
      }
      await plant.rest();
      const books = await plant.settle();
      const faults = books.dropped === 0 ? ['nothing was dropped: the outbox was large enough'] : [];
      return { figures: { rounds: ROUNDS[size], ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
    } finally {
      await plant.stop();
    }
  },
};
