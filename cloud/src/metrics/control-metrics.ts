/** What the control half counts: alerts, refused messages, notifications. */
import type { HubEvents } from '../api/events.ts';
import type { ChannelRecord } from '../notify/channel-admin.ts';
import type { Notifier } from '../notify/notify.ts';
import type { Store } from '../store/store.ts';
import { alertMetrics } from './alert-metrics.ts';
import type { Metric, Sample } from './metric.ts';
import { planMetrics } from './plan-metrics.ts';
import { Tally } from './tally.ts';

export interface ControlMetricsPorts {
  events: Pick<HubEvents, 'on'>;
  store: Pick<Store, 'query'>;
  notifier: Pick<Notifier, 'channels' | 'counts' | 'planCounts'>;
}

export interface ControlMetrics {
  metrics: Metric[];
  /** Counts no more. */
  close(): void;
}

export function controlMetrics({ events, notifier, store }: ControlMetricsPorts): ControlMetrics {
  const alerts = alertMetrics(events, store);
  const refused = new Tally('weir_refused_messages_total', 'Messages of devices that were refused.', ['reason']);
  const close = events.on((event) => {
    if (event.type === 'refused') refused.add({ reason: event.reason });
  });
  const planned = planMetrics(() => notifier.planCounts());
  return {
    metrics: [...alerts.metrics, refused, ...channelMetrics(notifier), ...planned],
    close() {
      alerts.close();
      close();
    },
  };
}

/** What is counted is in the store, over restarts: each time it is read anew. */
function channelMetrics(notifier: ControlMetricsPorts['notifier']): Metric[] {
  const of = (type: Metric['type'], name: string, help: string, pick: (channel: ChannelRecord) => number): Metric => ({
    ...{ name, type, help },
    labels: ['channel'],
    read: async () => (await notifier.channels()).map((each): Sample => [pick(each), { channel: each.name }]),
  });
  return [
    of('counter', 'weir_notifications_delivered_total', 'Notifications that a channel took.', (each) => each.delivered),
    of('counter', 'weir_notifications_dropped_total', 'Notifications given up for good.', (each) => each.dropped),
    of('gauge', 'weir_notifications_waiting', 'Notifications that wait for their channel.', (each) => each.waiting),
    of(
      'gauge',
      'weir_notifications_dead_letters',
      'Notifications given up and kept to be sent again.',
      (each) => each.deadLetters,
    ),
    of(
      'gauge',
      'weir_channel_circuit_open',
      'Whether the receiver of a channel is left alone for a while, for it fails: 1, or 0.',
      (each) => (each.circuit === 'closed' ? 0 : 1),
    ),
    {
      name: 'weir_notification_attempts_total',
      type: 'counter',
      help: 'Attempts to deliver a notification, by the kind of channel and by what became of them.',
      labels: ['kind', 'outcome'],
      read: () => notifier.counts().attempts.map(({ count, labels }): Sample => [count, labels]),
    },
    {
      name: 'weir_notification_latency_total',
      type: 'counter',
      help: 'Notifications delivered, by how long that took from when they were made: within 0.1s, 1s, 10s, 1m, 1h, or more.',
      labels: ['kind', 'within'],
      read: () => notifier.counts().took.map(({ count, labels }): Sample => [count, labels]),
    },
  ];
}
