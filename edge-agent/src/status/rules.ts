/** What rules cost, for Prometheus. */
import type { FoldStatus, RuleLoad } from '@weir/runtime';
import type { LatencyReport } from '../functions/rule-latency.ts';
import type { AgentMetric } from './metrics.ts';

type Watching = FoldStatus & { rule: RuleLoad };

export const RULE_METRICS: readonly AgentMetric[] = [
  ofRule('counter', 'weir_agent_rule_evaluations_total', 'Readings that the rule was judged by.', (r) => r.evaluations),
  ofRule('counter', 'weir_agent_rule_seconds_total', 'Time that the rule took.', (r) => r.spentMs / 1e3),
  ofRule('gauge', 'weir_agent_rule_subjects', 'Series, sensors or devices that the rule watches.', (r) => r.subjects),
  ofRule('gauge', 'weir_agent_rule_active', 'Of these, with an alert that is active.', (r) => r.active),
  ofRule(
    'gauge',
    'weir_agent_rule_state_bytes',
    'What is kept of the rule, as far as it was written since the agent was started.',
    (r) => r.stateBytes,
  ),
  {
    name: 'weir_agent_rule_latency_seconds',
    type: 'histogram',
    help: 'From the arrival of a reading until the transition of a rule that it brought about was kept, since the agent was started.',
    labels: [],
    read: ({ ruleLatency }) => samplesOf(ruleLatency),
  },
];

function samplesOf({ buckets, sumMs, count }: LatencyReport): ReturnType<AgentMetric['read']> {
  return [
    ...buckets.map(({ atMostMs, count: within }) => bucket(String(atMostMs / 1e3), within)),
    bucket('+Inf', count),
    [sumMs / 1e3, {}, '_sum'],
    [count, {}, '_count'],
  ];
}

function bucket(le: string, count: number): [number, Record<string, string>, '_bucket'] {
  return [count, { le }, '_bucket'];
}

/** Of further ones the figures are added up as `*`: each rule is a series for ever. */
const RULES_MAX = 200;

function ofRule(type: AgentMetric['type'], name: string, help: string, pick: (load: RuleLoad) => number): AgentMetric {
  return { name, type, help, labels: ['rule'], read: ({ functions }) => sums(functions, pick) };
}

function sums(folds: readonly FoldStatus[], pick: (load: RuleLoad) => number): [number, Record<string, string>][] {
  const rules = folds.filter((fold): fold is Watching => fold.rule !== undefined);
  const named = rules.slice(0, RULES_MAX).map(({ name, rule }): [number, Record<string, string>] => {
    return [pick(rule), { rule: name }];
  });
  const others = rules.slice(RULES_MAX);
  if (others.length === 0) return named;
  return [...named, [others.reduce((sum, { rule }) => sum + pick(rule), 0), { rule: '*' }]];
}
