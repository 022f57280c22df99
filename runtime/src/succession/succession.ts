/**
 * Which version runs under a name. A newer one takes over; when it fails, the last good one runs in its place.
 *
 *     v1, good --v2 is wanted--> can v2 be started? --yes--> v2 runs; last good: v1, with its state as it is then
 *        ^                            no |                       | quarantined
 *        '---- v2 failed, v1 goes on ----'                       v
 *                                                 v1 runs with that state, v2 is quarantined
 *                                                                | quarantined
 *                                                                v
 *                                                           nothing runs
 *
 * What failed is not tried again until another version, or another configuration of it, was wanted. Each fall uses up
 * the last good, so there is no way round in a circle.
 *
 * Decisions only. Who owns the host keeps a succession beside the states it belongs to, in one transaction.
 */
import type { FoldStatus } from '../fold/fold.ts';

/** @typeParam C how the owner keeps a configuration; nothing here looks into it */
export interface Setting<C> {
  hash: string;
  config: C;
}

/** What was wanted and could not be started, or was stopped. */
export interface FailedVersion<C> extends Setting<C> {
  version: string;
  state: 'failed' | 'quarantined';
  reason: string;
}

export type Failure = Pick<FailedVersion<unknown>, 'version' | 'state' | 'reason'>;

/** `hash` and `config` are what runs. */
export interface Succession<C> extends Setting<C> {
  name: string;
  /** Why it was stopped with nothing in its place; null: it runs. */
  quarantined: string | null;
  /** It ran well for a while: it is what to go back to when the next one fails. */
  proven?: boolean;
  /** What to go back to. Its state as it was when it was replaced is kept beside. */
  lastGood?: Setting<C>;
  /** What is wanted, in whose place this runs. */
  failed?: FailedVersion<C>;
  /** Which wish this follows, where they are counted: the same wish made again is another chance. */
  wish?: number;
}

/** As many steps in a row that fail stop a function: one that did as many well is past the worst. */
export const GOOD_STEPS = 10;
/** Some functions get a reading an hour. Ten minutes without any fault are more than a person waits before the next try. */
export const GOOD_MS = 600_000;

/** @param ranMs since this host started it */
export function isProven({ kind, state, stepsWell = 0, errors }: FoldStatus, ranMs: number): boolean {
  // A rule or a policy cannot fail, so nobody ever has to go back to one.
  if (kind !== 'function' || state !== 'running') return false;
  return stepsWell >= GOOD_STEPS || (errors === 0 && ranMs >= GOOD_MS);
}

export function takeOver<C>(
  before: Succession<C> | undefined,
  { name, hash, config, wish }: Setting<C> & Pick<Succession<C>, 'name' | 'wish'>,
): Succession<C> {
  const next: Succession<C> = { name, hash, config, quarantined: null };
  if (wish !== undefined) next.wish = wish;
  const lastGood = before !== undefined && isGood(before) ? settingOf(before) : before?.lastGood;
  if (lastGood !== undefined) next.lastGood = lastGood;
  return next;
}

function isGood({ proven = false, quarantined }: Succession<unknown>): boolean {
  return proven && quarantined === null;
}

function settingOf<C>({ hash, config }: Setting<C>): Setting<C> {
  return { hash, config };
}

/** Whether `next` has taken over from a good version, whose state is to be kept as it is now. */
export function savesState<C>(before: Succession<C> | undefined, next: Succession<C>): boolean {
  return next.lastGood !== undefined && next.lastGood !== before?.lastGood;
}

/** `next` cannot be started: what runs goes on, as if it had never been wanted, and says why. */
export function refuse<C>(before: Succession<C>, next: Succession<C>, why: Failure): Succession<C> {
  const failed = { ...settingOf(next), ...why };
  return next.wish === undefined ? { ...before, failed } : { ...before, failed, wish: next.wish };
}

/** What runs is wanted again: nothing has failed any more. */
export function wantedAgain<C>({ failed: _, ...before }: Succession<C>, wish: number | undefined): Succession<C> {
  return wish === undefined ? before : { ...before, wish };
}

/** What runs instead of a version that failed; undefined: nothing can. */
export function fallBack<C>(before: Succession<C>, why: Failure): Succession<C> | undefined {
  const { name, lastGood, failed, wish } = before;
  if (lastGood === undefined) return undefined;
  const next: Succession<C> = { name, ...lastGood, quarantined: null, proven: true };
  // What is wanted stays what is told: it may have been refused before, with this one going on in its place.
  next.failed = failed ?? { ...settingOf(before), ...why };
  if (wish !== undefined) next.wish = wish;
  return next;
}
