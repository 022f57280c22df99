/**
 * Durations without a unit, in what people write: `for: 30` may mean seconds as well as milliseconds, so it means nothing.
 * What is kept has numbers in milliseconds in these places; it is read by the schemas alone.
 */
import { z } from 'zod';
import { formatDuration } from '../duration.ts';
import { isObject } from '../strict.ts';

/** Fields of rules, and of their conditions, that are durations. */
export const RULE_DURATIONS: ReadonlySet<string> = new Set([
  'for',
  'keepFiringFor',
  'noRecurrence',
  'resolveAfter',
  'lateness',
  'silentFor',
  'within',
  'learn',
  'per',
  'over',
]);
/** Of entries of a forwarding policy. */
const OF_FORWARDING = new Set(['every', 'late', 'atLeast']);
/** What is in them is named by whoever writes the rule. */
const NAMED_FREELY = new Set(['labels']);

type Path = (string | number)[];
interface Bare {
  path: Path;
  value: number;
}

/** A rule as people write it, before it is parsed. */
export function withUnitsInRule<T extends z.ZodType>(schema: T) {
  return withUnits(schema, RULE_DURATIONS);
}

/** A forwarding policy as people write it, before it is parsed. */
export function withUnitsInForwarding<T extends z.ZodType>(schema: T) {
  return withUnits(schema, OF_FORWARDING);
}

/** @param keys those whose values are durations, wherever they stand */
export function withUnits<T extends z.ZodType>(schema: T, keys: ReadonlySet<string>) {
  return z
    .unknown()
    .superRefine((written, context) => {
      for (const { path, value } of bareIn(written, keys)) {
        context.addIssue({ code: 'custom', path, message: messageOf(value) });
      }
    })
    .pipe(schema);
}

/** What is no whole number is said to be none by the schema. */
function bareIn(written: unknown, keys: ReadonlySet<string>): Bare[] {
  const found: Bare[] = [];
  /** In YAML a part may stand for itself. */
  const seen = new Set<unknown>();
  // A stack of its own: what is nested a thousand times is refused afterwards, and in words.
  const left: { value: unknown; path: Path; isDuration: boolean }[] = [{ value: written, path: [], isDuration: false }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, path, isDuration } = next;
    if (typeof value === 'number' && isDuration && Number.isSafeInteger(value) && value > 0)
      found.push({ path, value });
    if (seen.has(value)) continue;
    if (typeof value === 'object') seen.add(value);
    // In `value: { avg: 5m }` each number is a window, whatever it is called.
    const areWindows = isObject(value) && path.at(-1) === 'value';
    const inner = Array.isArray(value) ? value.entries() : isObject(value) ? Object.entries(value) : [];
    for (const [key, each] of inner) {
      if (typeof key === 'string' && NAMED_FREELY.has(key)) continue;
      left.push({ value: each, path: [...path, key], isDuration: areWindows || keys.has(key as string) });
    }
  }
  return found.reverse();
}

function messageOf(value: number): string {
  const exact = formatDuration(value);
  const remedy = exact === `${value}ms` ? `write ${value}s, or ${exact}` : `write ${exact} for as many milliseconds`;
  return `${value} has no unit: ${remedy}`;
}
