/**
 * The lives of a device's outbox, as the hub has heard of them. A device that is set up anew begins another life: what was
 * missing of the one before will not come, and is no alarm. One that comes back with a life that was over goes on from an
 * old copy of its disk.
 */
import type { GapReason, GapReport, Lane } from '@weir/protocols';
import type { WentBack } from './lane-life.ts';

export interface Life {
  life: string;
  /** When it was heard of first, ms since epoch. */
  at: number;
}

/** The device goes on from an old copy of its disk, as `run` of `life`. */
export interface Restored extends WentBack {
  at: number;
  life: string;
  run: string;
  /** Where it was noticed first. */
  lane: string;
  /** The life had been over. */
  wasOver: boolean;
}

export interface Lives {
  /** Whose items come. */
  readonly current?: string;
  /** Lives heard of, ever. */
  readonly count: number;
  /** The newest, oldest first. */
  readonly list: readonly Life[];
  readonly restored: { readonly count: number; readonly last: readonly Restored[] };
  /** What the device says it gave up, ever. */
  readonly told: { readonly [L in Lane]?: { readonly [R in GapReason]?: number } };
  /** Missing of lives that are no longer in the list. */
  readonly forgotten: { readonly missing: number; readonly dropped: number };
  /** Of each lane, runs kept: from this number to that. */
  readonly runs: { readonly [lane: string]: { readonly first: number; readonly next: number } };
}

/** What is known of a life that is over says little to anybody; older ones are sums. */
export const LIVES_MAX = 16;
const RESTORED_KEPT = 20;

export const NO_LIVES: Lives = {
  count: 0,
  list: [],
  restored: { count: 0, last: [] },
  told: {},
  forgotten: { missing: 0, dropped: 0 },
  runs: {},
};

/** @param isSending items of it came; else it was spoken of, and is over unless there is no other */
export function meet(lives: Lives, life: string, at: number, isSending: boolean): Lives {
  const isKnown = lives.list.some((each) => each.life === life);
  const isCurrent = isSending || lives.current === undefined;
  if (isKnown) return isCurrent && lives.current !== life ? { ...lives, current: life } : lives;
  const met: Life = { life, at };
  const list = isCurrent ? [...lives.list, met] : [met, ...lives.list];
  return { ...lives, list, count: lives.count + 1, ...(isCurrent && { current: life }) };
}

/** The oldest of too many. */
export function surplusLife({ list, current }: Lives): string | undefined {
  return list.length > LIVES_MAX ? list.find(({ life }) => life !== current)?.life : undefined;
}

/** Each run counts once, in whichever lanes it is noticed. @returns undefined: it was noticed before */
export function noteRestored(lives: Lives, restored: Restored): Lives | undefined {
  const { count, last } = lives.restored;
  if (last.some(({ life, run }) => life === restored.life && run === restored.run)) return undefined;
  return { ...lives, restored: { count: count + 1, last: [...last, restored].slice(-RESTORED_KEPT) } };
}

export function addTold(lives: Lives, { lane, reason, count }: GapReport): Lives {
  const ofLane = lives.told[lane];
  return { ...lives, told: { ...lives.told, [lane]: { ...ofLane, [reason]: (ofLane?.[reason] ?? 0) + count } } };
}
