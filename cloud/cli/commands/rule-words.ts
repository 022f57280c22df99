/** A rule as somebody may have written it: durations as words again. */
import { formatDuration, RULE_DURATIONS, type Rule } from '@weir/protocols';

export function writtenRule(rule: Rule): object {
  return worded(rule) as object;
}

/** @param isMeasure numbers in it are windows, whatever they are called */
function worded(value: unknown, key = '', isMeasure = false): unknown {
  if (typeof value === 'number') return RULE_DURATIONS.has(key) || isMeasure ? formatDuration(value) : value;
  if (Array.isArray(value)) return value.map((each) => worded(each));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name, inner]) => !(name === 'for' && inner === 0));
  return Object.fromEntries(entries.map(([name, inner]) => [name, worded(inner, name, key === 'value')]));
}
