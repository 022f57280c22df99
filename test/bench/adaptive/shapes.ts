/** What series of many families are made of. */

import type { Series } from './families.ts';
import { between, type Draw, normal } from './synthetic.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A Monday. */
export const START = Date.parse('2026-01-05T00:00:00Z');

export const chance = (draw: Draw, share: number) => draw() < share;

/** A clock on the wall somewhere: hours of day and week at a whole offset from UTC. */
export function clock(draw: Draw): { hour: Series; day: Series } {
  const zoneMs = Math.round(between(draw, -10, 12)) * HOUR_MS;
  return {
    hour: (at) => ((((at + zoneMs) % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS,
    day: (at) => new Date(at + zoneMs).getUTCDay(),
  };
}

/** Between 0 and 1: low at night, high by day, with flanks of some hours; never twice at quite the same minute. */
export function workday(draw: Draw, jitterH = 0.3): Series & { isWeekend: (at: number) => boolean } {
  const { hour, day } = clock(draw);
  const [from, until, flank] = [between(draw, 5, 9), between(draw, 16, 21), between(draw, 0.2, 2)];
  let [today, late] = [-1, 0];
  const of = (at: number) => {
    const number = Math.floor(at / DAY_MS);
    if (number !== today) late = jitterH * normal(draw);
    today = number;
    const h = hour(at) - late;
    return 1 / (1 + Math.exp((from - h) / (flank / 4))) - 1 / (1 + Math.exp((until - h) / (flank / 4)));
  };
  return Object.assign(of, { isWeekend: (at: number) => day(at) % 6 === 0 });
}

export function poisson(draw: Draw, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(draw)));
  let [count, product] = [0, draw()];
  for (const least = Math.exp(-mean); product > least; count++) product *= draw();
  return count;
}

/** A cycle that goes up in some minutes and down in some, each a little different from the last. */
export function sawtooth(draw: Draw, upMs: number, downMs: number, vary: number): Series {
  let [from, up, down] = [START, upMs, downMs];
  return (at) => {
    while (at >= from + up + down) {
      from += up + down;
      up = upMs * (1 + vary * (2 * draw() - 1));
      down = downMs * (1 + vary * (2 * draw() - 1));
    }
    const into = at - from;
    return into < up ? into / up : 1 - (into - up) / down;
  };
}
