/**
 * What was received of a run that its device had numbered anew, as it does where it thins a backlog out. Of a device that goes
 * on from an old copy of its disk other items may come under the same numbers: as they were when the copy was made.
 *
 *     numbers        0 ………… 13 │ 14 ……… 83 │
 *     received       ━━━━━━━━━━ ━━━━━━━━━━━        0 … 13 of generation `r.1`, then the device is put back
 *     comes          0 ………… 83                     of no generation: 0 … 13 are others, and not what was received
 */

import { missingOf, type Range } from './ranges.ts';
import type { Run } from './run.ts';

/** Items from (inclusive) to (exclusive) of a generation. */
export type Generation = readonly [from: number, to: number, word: string];

/** What was received before the oldest of so many ranges is taken for what comes again, as if it had no generation. */
export const GENERATIONS_MAX = 256;

/** Notes numbers that were just received; without a word, nothing is noted. */
export function withGeneration(run: Run, fresh: readonly Range[], word: string | undefined): Run {
  if (word === undefined || fresh.length === 0) return run;
  const all = [...(run.generations ?? []), ...fresh.map(([from, to]): Generation => [from, to, word])];
  const list: Generation[] = [];
  for (const each of all.toSorted((a, b) => a[0] - b[0])) {
    const last = list.at(-1);
    if (last !== undefined && last[1] === each[0] && last[2] === each[2])
      list[list.length - 1] = [last[0], each[1], each[2]];
    else list.push(each);
  }
  const surplus = list.splice(0, Math.max(0, list.length - GENERATIONS_MAX));
  // What comes late may be below what is not known any more already.
  const generationsFrom = Math.max(surplus.at(-1)?.[1] ?? 0, run.generationsFrom ?? 0);
  return { ...run, generations: list, ...(generationsFrom > 0 && { generationsFrom }) };
}

/** @returns of `from` (inclusive) to `to` (exclusive) what was received as another generation than `word` */
export function ofOthers(run: Run | undefined, from: number, to: number, word: string | undefined): Range[] {
  if (run === undefined || (run.generations === undefined && word === undefined)) return [];
  const low = Math.max(from, run.generationsFrom ?? 0);
  if (low >= to) return [];
  const noted = (run.generations ?? []).filter((each) => each[0] < to && each[1] > low);
  const within = ([a, b]: readonly [number, number, ...unknown[]]): Range => [Math.max(a, low), Math.min(b, to)];
  if (word === undefined) return noted.map(within);
  const own = noted.filter((each) => each[2] === word).map(within);
  const open = missingOf(run, low, to);
  const left = [...own, ...open].toSorted((a, b) => a[0] - b[0]);
  return missingOf({ list: left }, low, to);
}
