/**
 * One lane of a device during one life of its outbox: how the runs of the agent lie side by side.
 *
 *     run a    ━━━━━━━━━━━━━━
 *     run b                   ━━━━━━━━━━━━━━━━━━      numbers go on from run to run
 *     run c                            ━━━━━━━━━━━    c begins below what b has reached: the device went on from an
 *                                      ↑              old copy of its disk, and gives numbers again
 *
 * The runs on the way that is being gone now are `covered`: a and the beginning of b, then c. A run that grows into what is
 * covered by others of this way is the beginning of a new way. Numbers that lie in no run are missing, too, whichever run
 * they are of; but not those below the first that was ever heard of, which may have gone to another hub.
 *
 * The run that is being heard of, the tip, is not counted in here: a batch more of it changes its own item only.
 */
import {
  addRange,
  below,
  hullOf,
  lengthOf,
  missingOf,
  NO_RANGES,
  type Range,
  type Ranges,
  type Stretch,
} from './ranges.ts';
import { type Run, type Sums, spanOf, sumsOf } from './run.ts';

export interface LaneLife {
  readonly tip?: string;
  /** Runs heard of, with the tip. */
  readonly runs: number;
  readonly others: Sums;
  /** Spans of the others that are on the way gone now, as far as it was gone. */
  readonly covered: Ranges;
  /** Spans of all others. */
  readonly spanned: Ranges;
  /** How often the device went back. */
  readonly branch: number;
  /** Numbers in no run. */
  readonly between: number;
  /** When the first of these were noticed, while there are any. */
  readonly gapSince?: number;
}

export const NO_LANE_LIFE: LaneLife = {
  runs: 0,
  others: { received: 0, missing: 0, dropped: 0 },
  covered: NO_RANGES,
  spanned: NO_RANGES,
  branch: 0,
  between: 0,
};

export interface Heard {
  run: string;
  /** Undefined: it was not heard of before. */
  before: Run | undefined;
  after: Run;
  /** By items of it; else by what was told of them, which may be long over. */
  isSending: boolean;
}

/** A device went back to an old copy. */
export interface WentBack {
  /** Number from which it gives numbers again. */
  seq: number;
  /** Numbers below it had been given before. */
  reached: number;
}

export interface Placed {
  life: LaneLife;
  /** As `after`, with its place. */
  run: Run;
  wentBack?: WentBack;
}

/** @param tip the run that is the tip, unless it is the one heard of */
export function place(life: LaneLife, { run: name, before, after, isSending }: Heard, tip: Run | undefined): Placed {
  const span = spanOf(after)!;
  const growth = grown(before, span);
  let run: Run = before === undefined ? withBranch(after, life.branch) : after;
  let next: LaneLife = before === undefined ? { ...life, runs: life.runs + 1 } : life;
  const wentBack = before === undefined || growth.length > 0 ? backBy(next, run, { span, growth, tip }) : undefined;
  if (wentBack !== undefined) {
    const covered = below(wayOf(next, tip), span[0]);
    next = { ...next, covered, branch: next.branch + 1 };
    run = withBranch(run, next.branch);
  }
  if (before === undefined && isSending) {
    if (tip !== undefined) next = folded(next, undefined, tip);
    next = { ...next, tip: name };
  } else if (next.tip !== name && run !== before) {
    next = folded(next, before, run);
  }
  const isFurther = growth.length > 0 && (next.tip !== name || next.between > 0);
  const hasMoved = before === undefined || isFurther || span[0] < spanOf(before)![0];
  return {
    life: hasMoved ? withBetween(next, next.tip === name ? run : tip, run.at) : next,
    run,
    ...(wentBack && { wentBack }),
  };
}

/** Numbers in no run, as ranges, each with when that was noticed. */
export function betweenOf(life: LaneLife, tip: Run | undefined): Stretch[] {
  const { list } = spannedWith(life, tip);
  return list.slice(1).map(([from, , since], at): Stretch => {
    const end = list[at]![1];
    return since === undefined ? [end, from] : [end, from, since];
  });
}

export function sumsOfLife({ others, between }: LaneLife, tip: Run | undefined): Sums {
  const own = tip === undefined ? NO_LANE_LIFE.others : sumsOf(tip);
  return {
    received: others.received + own.received,
    missing: others.missing + own.missing + between,
    dropped: others.dropped + own.dropped,
  };
}

/** The lowest number known and the highest. */
export function reachOf(life: LaneLife, tip: Run | undefined): Range | undefined {
  return hullOf(spannedWith(life, tip));
}

/** The run that is the tip is kept no longer: what it was is counted with the others. */
export function withoutTip({ tip: _, ...life }: LaneLife, run: Run): LaneLife {
  return folded(life, undefined, run);
}

function grown(before: Run | undefined, [from, to]: Range): Range[] {
  const known = before && spanOf(before);
  return missingOf({ list: known === undefined ? [] : [known] }, from, to);
}

/** What is covered by others than `run`, on the way that is being gone. */
function wayOf(life: LaneLife, tip: Run | undefined): Ranges {
  const span = tip !== undefined && branchOf(tip) === life.branch ? spanOf(tip) : undefined;
  return span === undefined ? life.covered : addRange(life.covered, ...span);
}

function backBy(
  life: LaneLife,
  run: Run,
  { span, growth, tip }: { span: Range; growth: readonly Range[]; tip: Run | undefined },
): WentBack | undefined {
  if (branchOf(run) !== life.branch) return undefined;
  const way = wayOf(life, tip);
  const isFree = growth.every((part) => {
    const free = missingOf(way, ...part);
    return free.length === 1 && lengthOf(free[0]!) === lengthOf(part);
  });
  return isFree ? undefined : { seq: span[0], reached: hullOf(way)![1] };
}

/** What is no longer, or never was, the tip is counted here. */
function folded(life: LaneLife, before: Run | undefined, after: Run): LaneLife {
  const was = before === undefined ? NO_LANE_LIFE.others : sumsOf(before);
  const is = sumsOf(after);
  const span = spanOf(after)!;
  return {
    ...life,
    others: {
      received: life.others.received + is.received - was.received,
      missing: life.others.missing + is.missing - was.missing,
      dropped: life.others.dropped + is.dropped - was.dropped,
    },
    spanned: addRange(life.spanned, ...span, { at: after.at }),
    covered: branchOf(after) === life.branch ? addRange(life.covered, ...span) : life.covered,
  };
}

function withBetween(life: LaneLife, tip: Run | undefined, at: number): LaneLife {
  const holes = betweenOf(life, tip).reduce((sum, hole) => sum + lengthOf(hole), 0);
  const between = holes + life.spanned.forgotten;
  if (between === life.between) return life;
  const { gapSince = at, ...rest } = life;
  return { ...rest, between, ...(between > 0 && { gapSince }) };
}

function spannedWith({ spanned }: LaneLife, tip: Run | undefined): Ranges {
  const span = tip && spanOf(tip);
  return span === undefined ? spanned : addRange(spanned, ...span, { at: tip!.since ?? tip!.at });
}

function branchOf({ branch = 0 }: Run): number {
  return branch;
}

function withBranch(run: Run, branch: number): Run {
  return branch === 0 ? run : { ...run, branch };
}
