/** A threshold rule as arithmetic: when it begins, when it ends, what is worse. Pure. */
import type { AlertReason } from '@weir/protocols';

/** One comparison with levels that are numbers. */
export interface FlatRule {
  name: string;
  above?: number;
  below?: number;
  outside?: [number, number];
  clear?: number | [number, number];
  summary?: string;
}

export function isBeyond(rule: FlatRule, value: number): boolean {
  if (rule.above !== undefined) return value > rule.above;
  if (rule.below !== undefined) return value < rule.below;
  return value < rule.outside![0] || value > rule.outside![1];
}

/** Hysteresis: an episode ends only past the clear level; without one, as soon as the condition is false. */
export function isCleared(rule: FlatRule, value: number): boolean {
  if (rule.clear === undefined) return !isBeyond(rule, value);
  if (typeof rule.clear !== 'number') return value >= rule.clear[0] && value <= rule.clear[1];
  return rule.above !== undefined ? value < rule.clear : value > rule.clear;
}

/** How far beyond its level a value is; the greater, the worse. */
export function badness(rule: FlatRule, value: number): number {
  if (rule.above !== undefined) return value - rule.above;
  if (rule.below !== undefined) return rule.below - value;
  return Math.max(rule.outside![0] - value, value - rule.outside![1]);
}

/** The level that a value has crossed. */
export function levelOf(rule: FlatRule, value: number): number {
  if (rule.above !== undefined) return rule.above;
  if (rule.below !== undefined) return rule.below;
  return value < rule.outside![0] ? rule.outside![0] : rule.outside![1];
}

export function describeCondition(rule: FlatRule): string {
  if (rule.above !== undefined) return `above ${rule.above}`;
  if (rule.below !== undefined) return `below ${rule.below}`;
  return `outside ${rule.outside![0]} to ${rule.outside![1]}`;
}

export function fillSummary(rule: FlatRule, { device, sensor, metric, unit = '', value }: SummaryFacts): string {
  const template = rule.summary ?? `{sensor} {metric} is {value}{unit}, ${describeCondition(rule)}`;
  const facts: Record<string, string> = {
    device,
    sensor,
    metric,
    unit,
    value: shortNumber(value),
    level: shortNumber(levelOf(rule, value)),
  };
  const filled = template.replace(/\{(\w+)\}/g, (whole, name: string) => facts[name] ?? whole);
  // A reading without a unit leaves no hole: "81.5 , over 80".
  return filled
    .replace(/ {2,}/g, ' ')
    .replace(/ +([,.;:!?])/g, '$1')
    .slice(0, SUMMARY_CHARS_MAX);
}

/** How an episode ended, in words. */
export function describeEnd(
  rule: FlatRule,
  { sensor, metric, unit, value }: SummaryFacts,
  reason: AlertReason,
): string {
  if (reason === 'manual') return `${sensor} ${metric}: ended by hand`;
  if (reason === 'removed') return `${sensor} ${metric} is no longer watched by ${rule.name}`;
  const amount = unit === undefined ? shortNumber(value) : `${shortNumber(value)} ${unit}`;
  return `${sensor} ${metric} is back at ${amount}, was ${describeCondition(rule)}`;
}

export interface SummaryFacts {
  device: string;
  sensor: string;
  metric: string;
  unit?: string | undefined;
  value: number;
}

/** As the wire form of a transition allows. */
const SUMMARY_CHARS_MAX = 500;

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)));
}
