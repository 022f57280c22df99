/** Some seeds of `npm run sim`, which runs thousands; those that failed once; and that the simulation is worth believing. */
import { beforeAll, expect, test } from 'vitest';
import { type Bundles, buildBundles } from './bundles.ts';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { CANARIES } from './options.ts';
import { prepare, simulate } from './simulate.ts';

let bundles: Bundles;

beforeAll(async () => {
  await prepare();
  bundles = await buildBundles();
});

/** Among them a device that is put back to an old image of its disk (1), commands (2), and a damaged database (59). */
const SEEDS = process.env.SIM_SEED === undefined ? [1, 2, 59] : [Number(process.env.SIM_SEED)];

test.each(SEEDS)(
  'seed %i: whatever fails, what was acknowledged is stored once or told as a gap, and alerts are told',
  async (seed) => {
    console.log(`seed ${seed}`);
    const { violations, stored, alerts } = await simulate({ seed, bundles });
    expect(violations).toEqual([]);
    expect(stored).toBeGreaterThan(0);
    expect(alerts).toBeGreaterThan(0);
  },
);

test.each(KEPT_SEEDS)('seed $seed, which failed once: $showed', async ({ seed }) => {
  expect((await simulate({ seed, bundles })).violations).toEqual([]);
});

test('the same seed is the same run, to the last packet and commit', async () => {
  const [first, second] = [await simulate({ seed: 3, bundles }), await simulate({ seed: 3, bundles })];
  expect(second).toEqual(first);
});

/** Without these faults found, nothing that the seeds do not find would mean anything. */
test.each(CANARIES)('an adapter that is broken on purpose, %s, is found', async (canary) => {
  const lost =
    /acknowledged and lost|stored twice|had a number|missing|passed its level|nobody told of|kept back|have cost/;
  for (let seed = 1; seed <= 10; seed++) {
    const { violations } = await simulate({ seed, bundles, canary });
    if (violations.some((violation) => lost.test(violation))) return;
  }
  expect.fail(`${canary} was not found by 10 seeds`);
});
