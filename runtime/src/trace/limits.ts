import type { Fault } from '../fold/fold.ts';

/** Limits of a function that a run can hit. */
export const LIMITS = ['time', 'memory', 'outputs', 'state'] as const;
export type Limit = (typeof LIMITS)[number];

/** What the isolate says when it refuses, by limit. A test holds it to that. */
const REFUSALS: readonly [RegExp, Limit][] = [
  [/^RangeError: more than \d+ outputs/, 'outputs'],
  [/outputs over \d+ bytes/, 'outputs'],
  [/^RangeError: the state is over/, 'state'],
];

/** @returns the limit that the function ran into, undefined when it is an error of its own */
export function limitOf({ kind, message }: Fault): Limit | undefined {
  if (kind === 'timed-out') return 'time';
  if (kind === 'out-of-memory' || kind === 'crashed') return 'memory';
  return REFUSALS.find(([pattern]) => pattern.test(message))?.[1];
}
