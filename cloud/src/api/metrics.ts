import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Notifier } from '../notify/notify.ts';
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
  const labelNames = ['channel'];
  const delivered = new Counter({
    name: 'weir_notifications_delivered_total',
    help: 'Notifications that a channel took.',
    labelNames,
    registers,
  });
  const dropped = new Counter({
    name: 'weir_notifications_dropped_total',
    help: 'Notifications given up.',
    labelNames,
    registers,
  });
  new Gauge({
    name: 'weir_notifications_waiting',
    help: 'Notifications that wait for their channel.',
    labelNames,
    registers,
    async collect() {
      this.reset();
      delivered.reset();
      dropped.reset();
      for (const channel of await notifier.channels()) {
        this.set({ channel: channel.name }, channel.waiting);
        delivered.inc({ channel: channel.name }, channel.delivered);
        dropped.inc({ channel: channel.name }, channel.dropped);
      }
    },
  });
}
