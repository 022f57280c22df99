/**
 * A rule as people write it: flat for what is simple, a ladder or a tree for the rest. `rule-plan.ts` says what it comes to.
 *
 *     above: 80               begins at value > 80
 *     clear: 75               ends at value < 75; without it as soon as the condition is false
 *     outside: [2, 8]         begins at value < 2 or > 8
 *     clear: [3, 7]           ends when 3 <= value <= 7
 *     severities:             one rung each, instead of one condition
 *     when: { all: [ … ] }    a tree, instead of one condition; `clearWhen` likewise
 *
 * What is parsed is what was written, with durations in milliseconds: bundles hold it so. A rule of the first version has no
 * key that is not here, and the same bytes as ever.
 */
import type { z } from 'zod';
import { ruleShape, type WrittenRule, writtenRuleSchema } from './rule-shape.ts';
import { verifySense } from './sense.ts';

export { durationBetween, durationSchema, globSchema } from './words.ts';

export const ruleSchema = writtenRuleSchema.superRefine(verifySense).transform((rule): WrittenRule => {
  return rule.severities === undefined ? inOrder({ ...rule, severity: rule.severity ?? 'warning' }) : rule;
});

function inOrder(rule: WrittenRule): WrittenRule {
  const keys = RULE_KEYS.filter((key) => Object.hasOwn(rule, key)) as (keyof WrittenRule)[];
  return Object.fromEntries(keys.map((key) => [key, rule[key]])) as WrittenRule;
}

/** What a rule may have, in the order in which it is kept. */
export const RULE_KEYS: readonly string[] = Object.keys(ruleShape);

/** As people write it. */
export type RuleInput = z.input<typeof ruleSchema>;
/** Checked, defaults filled in, durations in milliseconds. */
export type Rule = z.output<typeof ruleSchema>;
