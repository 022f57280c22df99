/** What a reading is worth to a condition. */
import type { Value } from '@weir/protocols';
import type { Sample } from './condition.ts';

/**
 * Words for a reading that says nothing, of the sensor or of whoever stands between. `uncertain`, `clock` and words that
 * a device has made up are readings.
 */
const NOTHING = /^(bad|unknown|unavailable|invalid|error|fault|failed|offline|missing|stale|none|null|nan)$/i;

/** Undefined: it says that it cannot be relied on. */
export function goodValue({ value, quality }: Pick<Sample, 'value' | 'quality'>): Value | undefined {
  if (quality !== undefined && NOTHING.test(quality)) return undefined;
  return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
}

/** A switch counts as 0 or 1; a text is no number, whatever its digits. */
export function numberOf(value: Value | undefined): number | undefined {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' ? value : undefined;
}

/** With a tag, which is a text whatever it says. Undefined: they are of kinds that cannot be compared. */
export function sameAsText(value: Value, text: string): boolean | undefined {
  if (typeof value === 'string') return value === text;
  const asSwitch = text === 'true' ? true : text === 'false' ? false : undefined;
  return typeof value === 'boolean' && asSwitch !== undefined ? value === asSwitch : undefined;
}

/** Undefined: they are of kinds that cannot be compared. */
export function sameValue(a: Value, b: Value): boolean | undefined {
  if (typeof a === 'string' || typeof b === 'string') return typeof a === typeof b ? a === b : undefined;
  return Number(a) === Number(b);
}
