/** Carries alerts to people: a durable outbox, one worker for each channel, at least once under one idempotency key. */
import type { HubEvents } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { AtRest } from '../secrets/at-rest.ts';
import type { Store } from '../store/store.ts';
import type { Carriers } from './carriers/carriers.ts';
import { type ChannelAdmin, type ChannelRecord, StoredChannels } from './channel-admin.ts';
import { CHANNELS_MAX, type ChannelStored, storedChannels } from './channels.ts';
import { NotifyCounts } from './counts.ts';
import { LETTER_TABLE } from './dead-letters.ts';
import { ChannelDelivery } from './delivery.ts';
import type { Outcome, Parcel } from './kinds/kind.ts';
import type { DeviceFacts } from './labels.ts';
import { keyOf } from './outbox.ts';
import type { PlanCounts } from './plan/counts.ts';
import { Planner } from './plan/planner.ts';
import { Planning } from './plan/planning.ts';
import { openChannel } from './settings.ts';
import { STANDING_TABLE } from './standing.ts';

export interface Notifier {
  /** What operators do with channels. */
  readonly admin: ChannelAdmin;
  /** Who is told what, and when. */
  readonly planning: Planning;
  channels(): Promise<ChannelRecord[]>;
  counts(): NotifyCounts;
  start(): Promise<void>;
  /** To be called when a device came or went; cheap. */
  presence(device: string): void;
  planCounts(): PlanCounts;
  /** To be called after a commit that made something to notify; cheap. */
  wake(): void;
  /** Ends after the attempts under way, at most a few seconds; idempotent. */
  stop(): Promise<void>;
}

export interface NotifierPorts {
  store: Store;
  events: HubEvents;
  now: () => number;
  random: (bytes: number) => Uint8Array;
  /** Under which secrets of channels lie in the store. */
  atRest: AtRest;
  carriers: Carriers;
  /** To a device; kept and sent until it has answered. */
  sendCommand: (parcel: Extract<Parcel, { by: 'command' }>) => Promise<Outcome>;
  /** One line for the hub's log. */
  log: (level: 'info' | 'warn', fields: Record<string, unknown>, text: string) => void;
  /** Waits before a repeated attempt; in real time when absent. */
  sleep?: Clock['sleep'];
  counts?: NotifyCounts;
  /** Groups and tags of a device, by which alerts are told apart. */
  facts?: (device: string) => Promise<DeviceFacts | undefined>;
  /** Whether a device is away. */
  isAway?: (device: string) => boolean;
  /** What no receiver has taken for so long is put aside. */
  giveUpMs: number;
  /** Of one channel. */
  deadLettersMax: number;
}

export function createNotifier(ports: NotifierPorts): Notifier {
  return new StoredNotifier(ports);
}

/** The hub has 5 s to end. */
const STOP_GRACE_MS = 2_000;
/** What is kept of one channel, under its id. */
const CHANNEL_TABLES = ['notification', LETTER_TABLE, STANDING_TABLE] as const;

class StoredNotifier implements Notifier {
  readonly admin: ChannelAdmin;
  readonly planning: Planning;
  readonly #planner: Planner;
  #ports: NotifierPorts & { counts: NotifyCounts };
  #deliveries = new Map<string, ChannelDelivery>();
  #started = false;
  #stopping = new AbortController();

  constructor(ports: NotifierPorts) {
    this.#ports = { ...ports, counts: ports.counts ?? new NotifyCounts() };
    this.admin = new StoredChannels(this.#ports, {
      delivery: (name) => this.#deliveries.get(name),
      open: (name, channel) => {
        this.#open(name, channel);
        // It may want to hear of what fires already, or of other things than before.
        if (this.#started) this.#planner.wake();
      },
      close: (name) => this.#close(name),
      forget: (id) => this.#forget(id),
      openAt: (id) => this.#planner.openAt(id),
    });
    this.#planner = new Planner({
      ...ports,
      planned: (channels) => {
        for (const delivery of this.#deliveries.values()) if (channels.has(delivery.channel.id)) delivery.wake();
      },
    });
    this.planning = new Planning({ ...ports, planner: this.#planner });
  }

  channels(): Promise<ChannelRecord[]> {
    return this.admin.list();
  }

  counts(): NotifyCounts {
    return this.#ports.counts;
  }

  async start(): Promise<void> {
    this.#started = true;
    const known = await storedChannels(this.#ports.store);
    const ids = new Set([...known.values()].map(({ id }) => id));
    // A crash between the removal of a channel and that of what waited for it leaves the latter behind.
    for (const table of CHANNEL_TABLES) {
      const { names } = await this.#ports.store.partitions(table, { limit: 2 * CHANNELS_MAX });
      for (const id of names) if (!ids.has(id)) await this.#forget(id);
    }
    for (const [name, channel] of known) this.#open(name, channel);
    this.#planner.start();
  }

  wake(): void {
    this.#planner.wake();
  }

  presence(device: string): void {
    this.#planner.heard(device);
  }

  planCounts(): PlanCounts {
    return this.#planner.counts;
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#stopping.abort();
    await this.#planner.stop();
    await Promise.all([...this.#deliveries.values()].map((each) => each.stop(STOP_GRACE_MS)));
    this.#deliveries.clear();
  }

  #open(name: string, channel: ChannelStored): void {
    if (!this.#started) return;
    const delivery = new ChannelDelivery(openChannel(name, channel, this.#ports.atRest), this.#ports);
    this.#deliveries.set(name, delivery);
    delivery.start();
  }

  async #close(name: string): Promise<void> {
    await this.#deliveries.get(name)?.stop(STOP_GRACE_MS);
    this.#deliveries.delete(name);
  }

  async #forget(id: string): Promise<void> {
    for (const table of CHANNEL_TABLES) {
      for (;;) {
        const { items } = await this.#ports.store.query({ table, partition: id, limit: 100 });
        if (items.length === 0) break;
        await this.#ports.store.write(items.map((item) => ({ remove: keyOf(item) })));
      }
    }
  }
}
