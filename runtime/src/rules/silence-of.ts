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
