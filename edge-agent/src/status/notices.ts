/** Who is told of alerts by the device itself, as `weir-agent status` shows it, and Prometheus. */

import { age, table } from './format.ts';
import type { AgentMetric } from './metrics.ts';
import type { StatusReport } from './report.ts';

export function noticeLines({ notices: { channels, dropped }, now }: Pick<StatusReport, 'notices' | 'now'>): string[] {
  if (channels.length === 0 && dropped === 0) return [];
  const rows = channels.map(({ name, kind, where, waiting, delivered, lastDeliveredAt, lastError, nextAttemptAt }) => {
    const last = lastDeliveredAt === undefined ? '' : `, last ${age(now - lastDeliveredAt)} ago`;
    const next = nextAttemptAt === undefined ? '' : `; tried again in ${age(Math.max(0, nextAttemptAt - now))}`;
    return [
      `  ${name}`,
      kind,
      where,
      String(waiting),
      `${delivered}${last}`,
      lastError === undefined ? '' : `${lastError}${next}`,
    ];
  });
  return [
    '',
    'alerts told by this device',
    ...table([['  channel', 'kind', 'to', 'waiting', 'told', ''], ...rows]),
    ...(dropped > 0 ? [`  ${dropped} were given up, over a limit`] : []),
  ];
}

const ofChannel = (
  type: AgentMetric['type'],
  name: string,
  help: string,
  pick: (channel: StatusReport['notices']['channels'][number]) => number,
): AgentMetric => ({
  ...{ name, type, help, labels: ['channel'] },
  read: ({ notices: { channels } }) => channels.map((each) => [pick(each), { channel: each.name }]),
});

export const NOTICE_METRICS: readonly AgentMetric[] = [
  ofChannel(
    'gauge',
    'weir_agent_notices_waiting',
    'Alerts that the device itself has to tell.',
    (each) => each.waiting,
  ),
  ofChannel(
    'counter',
    'weir_agent_notices_delivered_total',
    'Alerts that a channel of the device took, since the agent was started.',
    (each) => each.delivered,
  ),
  {
    ...{ name: 'weir_agent_notices_dropped_total', type: 'counter', labels: [] },
    help: 'Alerts that the device gave up telling, over a limit.',
    read: ({ notices: { dropped } }) => [[dropped]],
  },
];
