import type { Condition, RulePlan } from '@weir/protocols';

/** The longest silence that the rule is about; undefined: it is about none. */
export function silenceOf({ ladder }: Pick<RulePlan, 'ladder'>): number | undefined {
  const spans = ladder.flatMap(({ when }) => spansOf(when));
  return spans.length === 0 ? undefined : Math.max(...spans);
}

function spansOf(condition: Condition): number[] {
  if (condition.kind === 'silent') return [condition.forMs];
  if (condition.kind === 'of') return condition.conditions.flatMap(spansOf);
  return condition.kind === 'series' || condition.kind === 'repeated' ? spansOf(condition.condition) : [];
}

/** Whether what has an episode of its own is there before it was ever heard of. */
export function isNamed({ by, watches: { sensor, metric } }: Pick<RulePlan, 'by' | 'watches'>): boolean {
  if (by === 'series') return !`${sensor}${metric}`.includes('*');
  return by !== 'sensor' || !sensor.includes('*');
}
