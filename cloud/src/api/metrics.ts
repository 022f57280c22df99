import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ChannelRecord, Notifier } from '../notify/notify.ts';
import type { HubEvents } from './events.ts';

export interface MetricsPorts {
  events: HubEvents;
  notifier: Notifier;
  registry?: Registry;
}

export interface Metrics {
  contentType: string;
  text(): Promise<string>;
  close(): void;
}

/** What the control half counts, and what the process is doing. Labels are from closed lists, never ids of devices. */
export function createMetrics({ events, notifier, registry }: MetricsPorts): Metrics {
  const own = new Registry();
  collectDefaultMetrics({ register: own });
  const registers = [own];
  const transitions = new Counter({
    name: 'weir_alert_transitions_total',
    help: 'Alert transitions recorded.',
    labelNames: ['state', 'severity', 'origin'],
    registers,
  });
  const refused = new Counter({
    name: 'weir_refused_messages_total',
    help: 'Messages of devices that were refused.',
    labelNames: ['reason'],
    registers,
  });
  const connected = new Set<string>();
  new Gauge({
    name: 'weir_devices_connected',
    help: 'Devices that are connected now.',
    registers,
    collect() {
      this.set(connected.size);
    },
  });
  channelMetrics(notifier, registers);
  const end = events.on((event) => {
    if (event.type === 'refused') refused.inc({ reason: event.reason });
    else if (event.type === 'presence') connected[event.connected ? 'add' : 'delete'](event.device);
    else if (event.type === 'transition') {
      const { state, severity } = event.transition;
      transitions.inc({ state, severity, origin: event.origin });
    }
  });
  const text = async () => [await own.metrics(), await registry?.metrics()].filter(Boolean).join('\n');
  return { contentType: own.contentType, text, close: end };
}

function channelMetrics(notifier: Notifier, registers: Registry[]): void {
  const shared = { labelNames: ['channel'], registers };
  // What is counted is in the store, over restarts: each time it is read anew.
  const collect = (pick: (channel: ChannelRecord) => number) =>
    async function (this: Counter | Gauge): Promise<void> {
      const channels = await notifier.channels();
      this.reset();
      for (const channel of channels) this.inc({ channel: channel.name }, pick(channel));
    };
  new Counter({
    ...shared,
    name: 'weir_notifications_delivered_total',
    help: 'Notifications that a channel took.',
    collect: collect(({ delivered }) => delivered),
  });
  new Counter({
    ...shared,
    name: 'weir_notifications_dropped_total',
    help: 'Notifications given up.',
    collect: collect(({ dropped }) => dropped),
  });
  new Gauge({
    ...shared,
    name: 'weir_notifications_waiting',
    help: 'Notifications that wait for their channel.',
    collect: collect(({ waiting }) => waiting),
  });
}
