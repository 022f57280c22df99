/** What the control half counts: alerts, refused messages, notifications. */
import type { HubEvents } from '../api/events.ts';
import type { ChannelRecord } from '../notify/channel-admin.ts';
import type { Notifier } from '../notify/notify.ts';
import type { Metric, Sample } from './metric.ts';
import { planMetrics } from './plan-metrics.ts';

export interface ControlMetricsPorts {
  events: Pick<HubEvents, 'on'>;
  notifier: Pick<Notifier, 'channels' | 'counts' | 'planCounts'>;
}

export interface ControlMetrics {
  metrics: Metric[];
  /** Counts no more. */
  close(): void;
}

export function controlMetrics({ events, notifier }: ControlMetricsPorts): ControlMetrics {
  const transitions = new Tally(
    'weir_alert_transitions_total',
    'Alert transitions recorded, by what they are and where they were raised.',
    ['state', 'severity', 'origin'],
  );
  const refused = new Tally('weir_refused_messages_total', 'Messages of devices that were refused.', ['reason']);
  const close = events.on((event) => {
    if (event.type === 'refused') refused.add({ reason: event.reason });
    else if (event.type === 'transition') {
      const { state, severity } = event.transition;
      transitions.add({ state, severity, origin: event.origin });
    }
  });
  const planned = planMetrics(() => notifier.planCounts());
  return { metrics: [transitions, refused, ...channelMetrics(notifier), ...planned], close };
}

/** Counts events by their labels. */
class Tally implements Metric {
  readonly type = 'counter';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #counts = new Map<string, { count: number; labels: Record<string, string> }>();

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.help = help;
    this.labels = labels;
  }

  add(labels: Record<string, string>): void {
    const key = Object.values(labels).join('\0');
    const before = this.#counts.get(key)?.count ?? 0;
    this.#counts.set(key, { count: before + 1, labels });
  }

  read = (): Sample[] => [...this.#counts.values()].map(({ count, labels }) => [count, labels]);
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
