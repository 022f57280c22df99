import { describe, expect, test } from 'vitest';
import { Pace, type PaceState } from './pace.ts';

const paceOf = (distances: readonly number[], state?: PaceState) => {
  const pace = new Pace(state);
  for (const ms of distances) pace.note(ms);
  return pace;
};

describe('how far apart samples are', () => {
  test.each([
    ['nothing is known of none', [], undefined, undefined],
    ['one distance is all that is known', [1_000], 1_000, 1_000],
    ['one that is missing slows what is usual, and not the least', [1_000, 2_000], 1_125, 1_000],
    ['a gap counts as twice what is usual', [1_000, 3_600_000], 1_125, 1_000],
    ['two that came at once are the least', [1_000, 1, 1_000], 891, 1],
  ])('%s', (_, distances, usualMs, leastMs) => {
    const pace = paceOf(distances);
    expect({ usualMs: pace.usualMs, leastMs: pace.leastMs }).toEqual({ usualMs, leastMs });
  });

  test('a sensor that is set to another rate is believed after some hundred samples', () => {
    const slow = Array.from({ length: 511 }, () => 60_000);
    expect(paceOf([1_000, ...slow.slice(0, 255)]).leastMs).toBe(1_000);
    expect(paceOf([1_000, ...slow]).leastMs).toBe(1_000);
    expect(paceOf([1_000, ...slow, 60_000]).leastMs).toBe(60_000);
  });

  test('what is kept is all that it knows, and what was kept before is taken for the usual', () => {
    const distances = Array.from({ length: 700 }, (_, at) => 900 + ((at * 37) % 200));
    const whole = paceOf(distances);
    for (const cut of [0, 1, 255, 256, 257, 512, 699]) {
      const { state } = paceOf(distances.slice(0, cut));
      const kept = state === undefined ? undefined : (JSON.parse(JSON.stringify(state)) as PaceState);
      expect(paceOf(distances.slice(cut), kept).state).toEqual(whole.state);
    }
    expect(new Pace(1_500).usualMs).toBe(1_500);
    expect(new Pace(1_500).leastMs).toBeUndefined();
  });
});
