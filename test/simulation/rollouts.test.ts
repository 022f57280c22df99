/** Some seeds of `npm run sim -- --rollouts N`, which runs as many as one likes with a thousand devices. */
import { expect, test } from 'vitest';
import { simulateRollouts } from './rollouts/simulate.ts';

const SEEDS = process.env.SIM_SEED === undefined ? [1, 2, 3] : [Number(process.env.SIM_SEED)];

test.each(SEEDS)(
  'seed %i: whatever is killed, away or bad, every device comes to run what stands, and no wave is passed',
  { timeout: 120_000 },
  async (seed) => {
    const { violations, done, aborted } = await simulateRollouts({ seed, devices: 40 });
    expect(violations).toEqual([]);
    expect(done + aborted).toBeGreaterThan(0);
  },
);
