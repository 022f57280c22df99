/** What the rules that run in the hub cost. */
import type { RuleLoad } from '@weir/runtime';
import type { RuleCosts } from '../workers/rule-costs.ts';
import type { Metric, Sample } from './metric.ts';

export function ruleMetrics(costs: Pick<RuleCosts, 'all'>): Metric[] {
  const of = (type: Metric['type'], name: string, help: string, pick: (load: RuleLoad) => number): Metric => ({
    ...{ name, type, help },
    labels: ['rule'],
    read: () => Array.from(costs.all(), ([rule, load]): Sample => [pick(load), { rule }]),
  });
  return [
    of(
      'counter',
      'weir_rule_evaluations_total',
      'Readings that rules were judged by in the hub.',
      (r) => r.evaluations,
    ),
    of('counter', 'weir_rule_seconds_total', 'Time that rules took in the hub.', (r) => r.spentMs / 1_000),
    of(
      'gauge',
      'weir_rule_subjects',
      'Series, sensors, devices or groups that rules watch in the hub.',
      (r) => r.subjects,
    ),
    of('gauge', 'weir_rule_active', 'Of these, with an alert that is active.', (r) => r.active),
    of(
      'gauge',
      'weir_rule_state_bytes',
      'What is kept of rules in the hub, as far as it was written since they were started there.',
      (r) => r.stateBytes,
    ),
  ];
}
