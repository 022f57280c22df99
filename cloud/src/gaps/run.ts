/**
 * What is known of the items that one run of an agent numbered in one lane: which were received, and which it says it gave up.
 *
 *     numbers     0 ………… 99 │ 100 … 119 │ 120 … 149 │ 150 … 159 │
 *     received    ━━━━━━━━━━            ━━━━━━━━━━━━              span 0 … 159: the lowest to the highest known
 *     given up                ▒▒▒▒▒▒▒▒▒                ▒▒▒▒▒▒▒▒▒  missing 30, of which 30 are accounted for
 *
 * What was given up is told with a range and a count, so of some ranges it is known how many items are lost and not which.
 * An item that was both received and given up, in two copies of one device, is received.
 */
import type { GapReason, GapReport } from '@weir/protocols';
import type { Generation } from './generations.ts';
import {
  addRange,
  countOf,
  hullOf,
  lengthOf,
  missingOf,
  NO_RANGES,
  RANGES_MAX,
  type Range,
  type Ranges,
} from './ranges.ts';

/** `count` items of a range, given up. */
export interface Told {
  readonly seq: number;
  readonly through: number;
  readonly reasons: { readonly [R in GapReason]?: number };
  /** When the last of them was given up, clock of the device, and when the hub was told. */
  readonly ts: number;
  readonly at: number;
  /** Event times, where they are known. */
  readonly from?: number;
  readonly to?: number;
}

export interface Run extends Ranges {
  /** Sorted and disjoint. */
  readonly told?: readonly Told[];
  /** Of `forgotten`, given up by the device. */
  readonly forgottenTold?: number;
  /** When it was heard of first, and last; ms since epoch. */
  readonly since?: number;
  readonly at: number;
  /** How often its lane had gone back to an old copy before it, @see lane-life.ts */
  readonly branch?: number;
  /** Sorted and disjoint, of what was received: what the device had numbered anew. */
  readonly generations?: readonly Generation[];
  /** Of lower numbers it is no longer known. */
  readonly generationsFrom?: number;
  /** When its first gap was noticed, while it has one. */
  readonly gapSince?: number;
}

export interface Sums {
  received: number;
  /** Numbers within the span that were not received … */
  missing: number;
  /** … and of these, what the device says it gave up. */
  dropped: number;
}

/** What is told of one run is joined beyond that many ranges: sums stay, what is lost is where. */
const TOLD_MAX = 128;

export function newRun(at: number): Run {
  return { ...NO_RANGES, since: at, at };
}

/** @returns those of `from` (inclusive) to `to` (exclusive) that were not received before */
export function receive(run: Run, from: number, to: number, at: number): { fresh: Range[]; run: Run } {
  const fresh = missingOf(run, from, to);
  if (fresh.length === 0) return { fresh, run };
  return { fresh, run: add(run, from, to, at) };
}

function add(run: Run, from: number, to: number, at: number, limit = RANGES_MAX): Run {
  let forgottenTold = run.forgottenTold ?? 0;
  let told = run.told;
  const ranges = addRange(run, from, to, {
    at,
    limit,
    isSettled: (hole) => (told ?? []).some((each) => isDense(each) && each.seq <= hole[0] && hole[1] <= each.through),
    onClose(hole) {
      const closed = close(told ?? [], hole);
      told = closed.told;
      forgottenTold += closed.count;
    },
  });
  return { ...run, ...ranges, ...(told && { told }), ...(forgottenTold > 0 && { forgottenTold }), at };
}

/** What a hole that is closed was told to be is no longer of the ranges told. */
function close(told: readonly Told[], [from, to]: Range): { told: Told[]; count: number } {
  let count = 0;
  const left = told.map((each) => {
    const within = Math.min(to, each.through) - Math.max(from, each.seq);
    const taken = Math.min(Math.max(0, within), toldCount(each));
    count += taken;
    return taken === 0 ? each : { ...each, reasons: less(each.reasons, taken) };
  });
  return { told: left.filter((each) => toldCount(each) > 0), count };
}

function less(reasons: Told['reasons'], count: number): Told['reasons'] {
  let left = count;
  const kept: [string, number][] = [];
  for (const [reason, n] of Object.entries(reasons)) {
    const taken = Math.min(left, n);
    left -= taken;
    if (n > taken) kept.push([reason, n - taken]);
  }
  return Object.fromEntries(kept);
}

/** The same report again changes nothing. */
export function tell(run: Run, report: GapReport, at: number): Run {
  const { seq, through, count, reason, ts, from, to } = report;
  const times = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  const fresh: Told = { seq, through, reasons: { [reason]: count }, ts, at, ...times };
  const told = run.told ?? [];
  const touched = told.filter((each) => each.seq < through && seq < each.through);
  const rest = told.filter((each) => !touched.includes(each));
  const all = joined([...rest, ...united(touched, fresh)]);
  // Of holes that were closed nobody knows where they were: what there is too much is of them.
  const over = Math.max(0, count - openIn(run, seq, through));
  const closed = Math.min(over, run.forgotten - (run.forgottenTold ?? 0));
  const forgottenTold = (run.forgottenTold ?? 0) + (touched.length === 0 ? closed : 0);
  return { ...run, told: all, ...(forgottenTold > 0 && { forgottenTold }), at: Math.max(at, run.at) };
}

/** What is told of numbers that were told of before. */
function united(touched: readonly Told[], fresh: Told): Told[] {
  if (touched.every(isDense) && isDense(fresh)) {
    const known: Ranges = touched.reduce((set: Ranges, each) => addRange(set, each.seq, each.through), NO_RANGES);
    const [reason] = Object.keys(fresh.reasons);
    const pieces = missingOf(known, fresh.seq, fresh.through).map(([seq, through]) => {
      return { ...fresh, seq, through, reasons: { [reason!]: through - seq } };
    });
    return [...touched, ...pieces];
  }
  const isSame = (each: Told) =>
    each.seq === fresh.seq && each.through === fresh.through && toldCount(each) === toldCount(fresh);
  if (touched.some(isSame)) return [...touched];
  return [touched.reduce(unite, fresh)];
}

/** Sorted; neighbours that are the same but for their times are one, and beyond the limit those that lie closest. */
function joined(told: readonly Told[]): Told[] {
  const list: Told[] = [];
  for (const each of told.toSorted((a, b) => a.seq - b.seq)) {
    const last = list.at(-1);
    const isOne = last !== undefined && last.through === each.seq && isDense(last) && isDense(each);
    if (isOne && sameReason(last, each)) list[list.length - 1] = unite(last, each);
    else list.push(each);
  }
  while (list.length > TOLD_MAX) {
    let closest = 1;
    for (let at = 2; at < list.length; at++) {
      if (list[at]!.seq - list[at - 1]!.through < list[closest]!.seq - list[closest - 1]!.through) closest = at;
    }
    list.splice(closest - 1, 2, unite(list[closest - 1]!, list[closest]!));
  }
  return list;
}

function unite(a: Told, b: Told): Told {
  const reasons: Record<string, number> = { ...a.reasons };
  for (const [reason, count] of Object.entries(b.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count;
  const seq = Math.min(a.seq, b.seq);
  const through = Math.max(a.through, b.through);
  const most = through - seq;
  const sum = Object.values(reasons).reduce((total, count) => total + count, 0);
  const froms = [a.from, b.from].filter((each) => each !== undefined);
  const tos = [a.to, b.to].filter((each) => each !== undefined);
  return {
    ...{ seq, through, ts: Math.max(a.ts, b.ts), at: Math.max(a.at, b.at) },
    reasons: sum > most ? less(reasons, sum - most) : reasons,
    ...(froms.length > 0 && { from: Math.min(...froms) }),
    ...(tos.length > 0 && { to: Math.max(...tos) }),
  };
}

function sameReason(a: Told, b: Told): boolean {
  return Object.keys(a.reasons).join() === Object.keys(b.reasons).join();
}

function isDense(told: Told): boolean {
  return toldCount(told) === told.through - told.seq;
}

function toldCount({ reasons }: Told): number {
  return Object.values(reasons).reduce((sum, count) => sum + count, 0);
}

/** Items that the device says it gave up. */
export function toldIn({ told = [], forgottenTold = 0 }: Run): number {
  return told.reduce((sum, each) => sum + toldCount(each), forgottenTold);
}

/** From the lowest number known to the highest; undefined: none is. */
export function spanOf(run: Run): Range | undefined {
  const received = hullOf(run);
  const told = run.told ?? [];
  if (told.length === 0) return received;
  const low = told[0]!.seq;
  const high = told.at(-1)!.through;
  return received === undefined ? [low, high] : [Math.min(low, received[0]), Math.max(high, received[1])];
}

/** Numbers of a range that were not received, as far as their holes were not closed. */
function openIn(run: Run, from: number, to: number): number {
  return missingOf(run, from, to).reduce((sum, hole) => sum + lengthOf(hole), 0);
}

export function sumsOf(run: Run): Sums {
  const span = spanOf(run);
  if (span === undefined) return { received: 0, missing: 0, dropped: 0 };
  const received = countOf(run);
  const told = (run.told ?? []).reduce((sum, each) => sum + droppedIn(run, each), 0);
  return { received, missing: lengthOf(span) - received, dropped: told + (run.forgottenTold ?? 0) };
}

/** Of what was told, what did not come after all. */
function droppedIn(run: Run, told: Told): number {
  return Math.min(toldCount(told), openIn(run, told.seq, told.through));
}

/** Numbers of a run that were not received. */
export interface Hole {
  seq: number;
  through: number;
  /** Of these numbers; all, if `told` is absent. */
  missing: number;
  dropped: number;
  /** When it was noticed, ms since epoch. */
  since: number;
  told?: Told;
}

/** In order. Without those that were closed, which are in the sums only. */
export function holesOf(run: Run): Hole[] {
  const span = spanOf(run);
  if (span === undefined) return [];
  const told = (run.told ?? []).map((each): Hole => {
    const missing = openIn(run, each.seq, each.through);
    const { seq, through, at } = each;
    return { seq, through, missing, dropped: Math.min(missing, toldCount(each)), since: at, told: each };
  });
  const covered: Ranges = (run.told ?? []).reduce(
    (set: Ranges, each) => addRange(set, each.seq, each.through),
    NO_RANGES,
  );
  const others = missingOf(run, ...span).flatMap((hole) => {
    const since = run.list.find(([from]) => from === hole[1])?.[2] ?? run.since ?? run.at;
    return missingOf(covered, ...hole).map(
      ([seq, through]): Hole => ({ seq, through, missing: through - seq, dropped: 0, since }),
    );
  });
  return [...told.filter(({ missing }) => missing > 0), ...others].sort((a, b) => a.seq - b.seq);
}
