/**
 * Too many at once. Of the episodes of a rule on a device so many are told one by one; those that begin while as many are
 * open are told by one that stands for all of them, with how many they are:
 *
 *     open      1 … 100 | 101 … 260                             … 0 of these
 *     told      each    | summary: 160 ---- twice as many ----> its end
 *
 * One that it counts is never told by itself, also when others have ended: who reads a summary would get a storm of what
 * is over soon. It actuates, though, and is counted until its end; so nothing is dropped.
 */
import type { AlertCause, RulePlan } from '@weir/protocols';
import { CAUSES_MAX } from '@weir/protocols';
import type { OpenState } from './transitions.ts';

export interface SummaryState {
  open: OpenState;
  /** How many, when it was told last. */
  told: number;
  /** The latest that brought it about, and when one began or ended last, event time. */
  causes: AlertCause[];
  at: number;
}

export interface Covered {
  key: string;
  rung: number;
}

/** What is to be told of the summary; undefined: nothing. */
export type SummaryMove = 'begin' | 'grow' | 'end' | undefined;

/**
 * Told again only for twice as many, or for what is more severe: a storm is a handful of transitions.
 *
 * @param rung the greatest of those that it counts
 */
export function summaryMove(state: SummaryState | undefined, count: number, rung: number): SummaryMove {
  if (state === undefined) return count > 0 ? 'begin' : undefined;
  if (count === 0) return 'end';
  return count >= state.told * 2 || rung > state.open.rung ? 'grow' : undefined;
}

export function summaryOfMany({ name, openMax }: RulePlan, covered: readonly Covered[]): string {
  const names = covered.slice(0, CAUSES_MAX).map(({ key }) => key.replace('/', ' '));
  const more = covered.length > names.length ? ', …' : '';
  return `${name}: ${covered.length} more than the ${openMax} that are told one by one: ${names.join(', ')}${more}`.slice(
    0,
    500,
  );
}

export function endOfMany({ name, openMax }: RulePlan): string {
  return `${name}: none is left of those that were more than ${openMax} at once`;
}

/** The latest that brought it about, each once. */
export function addCauses(causes: readonly AlertCause[], more: readonly AlertCause[]): AlertCause[] {
  return [...more, ...causes].slice(0, CAUSES_MAX);
}
