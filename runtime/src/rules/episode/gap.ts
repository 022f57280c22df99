/** A span of one subject of which nothing is known, and what has come of it late. */
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';
import type { Move } from './machine.ts';
import { type PackedSample, packed, unpacked } from './packed-sample.ts';
import type { Facts, TrackState } from './track.ts';
import type { OpenState } from './transitions.ts';

/** Moves of one episode, with what each is about. */
export type Tell = { move: Extract<Move, { kind: 'tell' }>; facts: Facts };

export interface PastEpisode {
  startedAt: number;
  tells: Tell[];
}

/** An episode that is over, as it was told, and the worst that was told of it. */
export type Ended = OpenState & { worst?: TrackState['worst'] };

export interface Gap {
  /** Event times between which nothing is known; `to` undefined: nothing has come since. */
  from: number;
  to?: number;
  /** How things were at `from`. */
  base: TrackState;
  /** What fired at `from`, told or held, and in the past since when it does not. */
  own?: OpenState;
  ownOverAt?: number;
  /** The episode that was pending at `from`. */
  pending?: string;
  /** Of the past: what fires at `from` and did not before. */
  past?: PastEpisode;
  /** The first sample that the head took after it. */
  after?: Sample;
  /** What fired over all of it: it stands. */
  isCovered?: true;
  /** What ended with the first sample after it. */
  ended?: Ended;
  /** Since then: when all was over for the head first, and the first episode that began before that. */
  overAt?: number;
  next?: { episode: string; startedAt: number; ended?: Ended };
  late?: Sample[];
  /** Taken by the head before anything was known again: the past is told of them as well. At most {@link LATE_MAX}. */
  taken?: Sample[];
  /** Arrival of the latest of them, ms. */
  lateAt?: number;
}

export type GapState = Omit<Gap, 'after' | 'late' | 'taken'> & {
  after?: PackedSample;
  late?: PackedSample[];
  taken?: PackedSample[];
};

/** What a gap has to know of the head. */
export interface Head {
  open: OpenState | undefined;
  /** Whether that fires, told or held. */
  isFiring: boolean;
  /** Samples are so far apart, as a rule, ms. */
  paceMs: number | undefined;
  /** And so far at the least. */
  leastMs: number | undefined;
  isSingle: boolean;
  /** Whether anything is known of what fired. */
  isKnown: boolean;
}

/** Late samples that wait; more are let go in order. Outages are filled in order, and lanes are not mixed further than that. */
export const LATE_MAX = 64;
/** Nothing late for so long, by arrival: what is here is in order. */
export const LATE_PAUSE_MS = 30_000;
/** A device that was told to wait with its backlog is back within that time; then a gap is taken for filled. */
export const LATE_END_MS = 900_000;
/** So many times farther apart than usual is a gap: of a regular series one sample that is missing. */
export const GAP_PACES = 1.5;
/** As the hub keeps of an episode. */
export const TELLS_MAX = 50;

/** As it is kept. */
export function gapIn({ after, late, taken, ...gap }: GapState, subject: Subject): Gap {
  return {
    ...gap,
    ...(after && { after: unpacked(after, subject) }),
    ...(late && { late: late.map((each) => unpacked(each, subject)) }),
    ...(taken && { taken: taken.map((each) => unpacked(each, subject)) }),
  };
}

export function stateOf({ after, late, taken, ...gap }: Gap, subject: Subject): GapState {
  return {
    ...gap,
    ...(after && { after: packed(after, subject) }),
    ...(late && { late: late.map((each) => packed(each, subject)) }),
    ...(taken && { taken: taken.map((each) => packed(each, subject)) }),
  };
}

export function dueOf(gap: Gap, head: Head): number {
  const { late, lateAt } = gap;
  if (lateAt === undefined) return Number.POSITIVE_INFINITY;
  if (late === undefined) return lateAt + (hasReached(gap, head) ? LATE_PAUSE_MS : LATE_END_MS);
  return isFull(gap) || isFilled(gap, head) ? lateAt : lateAt + LATE_PAUSE_MS;
}

export function isFull({ late }: Gap): boolean {
  return late !== undefined && late.length > LATE_MAX;
}

/** Between the last that came late and the first that was there is no room for one more. */
export function hasReached(gap: Gap, { paceMs }: Head): boolean {
  return paceMs !== undefined && leftOf(gap) <= GAP_PACES * paceMs;
}

/**
 * For certain, so that nothing need be waited for: samples of it have never been so close that one more could be between.
 * How far apart they are as a rule does not say that, for some are missing, and the first that came after a gap need not be
 * in step with those before it.
 */
export function isFilled(gap: Gap, { isSingle, leastMs }: Head): boolean {
  return isSingle && leastMs !== undefined && leftOf(gap) <= leastMs;
}

function leftOf({ to, from, late }: Gap): number {
  return to === undefined ? Number.POSITIVE_INFINITY : to - (late?.at(-1)?.ts ?? from);
}
