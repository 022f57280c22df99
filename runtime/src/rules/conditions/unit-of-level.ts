import type { Value } from '@weir/protocols';

/** A reading in the unit of the rule; one in none is taken as it is. */
export function inUnit(
  value: Value,
  from: string | undefined,
  to: string,
): { value: Value | undefined; problem?: string } {
  if (from === undefined || from === to || typeof value !== 'number') return { value };
  return { value: undefined, problem: `${from} is no unit of what is given in ${to}` };
}
