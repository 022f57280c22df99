/** What was told to people, and what was not. */
import type { PlanCounts } from '../notify/plan/counts.ts';
import type { Metric, Sample } from './metric.ts';
import { metric } from './metric.ts';

/** @param counts asked for each time */
export function planMetrics(counts: () => PlanCounts): Metric[] {
  return [
    {
      name: 'weir_notifications_planned_total',
      type: 'counter',
      help: 'Messages handed to channels, by why: new, severity, resolved, repeat, escalation, flapping, digest, historical.',
      labels: ['why'],
      read: () => [...counts().messages].map(([why, count]): Sample => [count, { why }]),
    },
    {
      name: 'weir_notifications_held_total',
      type: 'counter',
      help: 'Times an alert was held back from a channel, by what held it: silence, inhibition, quiet-hours, …',
      labels: ['reason'],
      read: () => [...counts().held].map(([reason, count]): Sample => [count, { reason }]),
    },
    metric(
      'counter',
      'weir_notifications_left_out_total',
      'Alerts that a digest, or a message of a group, stands for without naming them.',
      () => counts().leftOut,
    ),
    metric('gauge', 'weir_notifications_open_alerts', 'Alerts that fire, or whose end is still to be told.', () =>
      counts().open(),
    ),
  ];
}
