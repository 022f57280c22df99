/** Some seeds of `npm run sim -- --alerts N`, which runs as many as one likes. */
import { describe, expect, test } from 'vitest';
import { type StoryKind, simulateAlerts } from './alerts/simulate.ts';
import { MUTATIONS } from './alerts/told.ts';

const SEED = process.env.SIM_SEED;
const SEEDS = SEED === undefined ? Array.from({ length: 40 }, (_, at) => at + 1) : [Number(SEED)];
/** What they showed. */
const KEPT: [seed: number, kind: StoryKind, shown: string][] = [
  [45, 'in-bound', 'a reading at the moment at which silence falls due: nothing was silent'],
  [57, 'in-bound', 'a level from a sensor that has an episode of its own: the others were not told of it'],
  [57, 'plain-outage', 'a device that was back before it was told as away, after a restart'],
  [1123, 'in-bound', 'a rung that had ended by itself began anew when another one did'],
  [100, 'in-bound', 'none of a series that is named are none'],
  [32_905, 'in-bound', 'a reading that came twice and said nothing dated an end back'],
  [20_633, 'in-bound', 'what had not recurred before it was held ended when the clock ticked'],
  [21_053, 'in-bound', 'a rung that was pending was forgotten when another one ended the episode'],
  [
    30_480,
    'in-bound',
    'a rung that was held by its clear level alone when its episode ended by itself: it is to be held again',
  ],
  [
    30_970,
    'plain-outage',
    'an outage was taken for filled before its last sample came, for one had been missing before it',
  ],
  [31_734, 'plain-outage', 'the same, where what came first after the outage was not in step'],
  [31_734, 'late-outage', 'the same, where readings that were missing had slowed what was taken for their pace'],
  [125, 'late-outage', 'an episode that was found in an outage gave way to a longer gap before it was told'],
  [98, 'late-outage', 'what was on its way when the line was cut'],
  [
    70_096,
    'together',
    'a value and its level of one moment were counted as two, one of them beside the level of before',
  ],
  [15, 'together', 'an episode began before the first reading of its sensor, with what another had said'],
  [31_581, 'together', 'half a moment was counted when a gap was kept'],
  [31_929, 'outage', 'what was late in an outage was judged at the time of a level of after it, and told three times'],
  [32_520, 'in-bound', 'a batch came too late because of the last of it'],
  [32_369, 'in-bound', 'a sensor that was silent before its first sample, which is not enough to be clear'],
  [70_664, 'together', 'a series that was first heard of was judged by a level of after it'],
  [70_865, 'together', 'the same, of a condition that counts what another sensor has said'],
  [30_402, 'late-outage', 'what came first after an outage was unknown, and counted as firing still'],
];

describe('what is told, beside what an oracle says that sees everything in order', () => {
  test.each(SEEDS)(
    'seed %i: the same episodes, whatever comes late, twice, in an outage or after a restart',
    async (seed) => {
      const { violations, written } = await simulateAlerts({ seed });
      expect(violations, JSON.stringify(written)).toEqual([]);
    },
  );

  test.each(KEPT)('seed %i, %s: %s', async (seed, kind) => {
    const { violations, written } = await simulateAlerts({ seed, kind });
    expect(violations, JSON.stringify(written)).toEqual([]);
  });

  test.each(MUTATIONS)('a host that %s is found out', { timeout: 60_000 }, async (mutation) => {
    for (let seed = 1; seed <= 100; seed++) {
      const { violations } = await simulateAlerts({ seed, kind: 'in-bound', mutation });
      if (violations.length > 0) return;
    }
    expect.unreachable('100 seeds have not shown it');
  });
});
