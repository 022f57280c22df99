/** Carries alerts to people: a durable outbox, one worker for each channel, at least once under one idempotency key. */
import type { HubEvents } from '../api/events.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import type { AtRest } from '../secrets/at-rest.ts';
import type { Store } from '../store/store.ts';
import type { Carriers } from './carriers/carriers.ts';
import { type ChannelAdmin, type ChannelRecord, StoredChannels } from './channel-admin.ts';
import { CHANNELS_MAX, type ChannelStored, storedChannels } from './channels.ts';
import { NotifyCounts } from './counts.ts';
import { LETTER_TABLE } from './dead-letters.ts';
import { ChannelDelivery } from './delivery.ts';
import type { Outcome, Parcel } from './kinds/kind.ts';
import { keyOf, spreadIntake } from './outbox.ts';
import { openChannel } from './settings.ts';
import { STANDING_TABLE } from './standing.ts';

export interface Notifier {
  /** What operators do with channels. */
  readonly admin: ChannelAdmin;
  channels(): Promise<ChannelRecord[]>;
  counts(): NotifyCounts;
  start(): Promise<void>;
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
  /** What no receiver has taken for so long is put aside. */
  giveUpMs: number;
  /** Of one channel. */
  deadLettersMax: number;
}

export function createNotifier(ports: NotifierPorts): Notifier {
  return new StoredNotifier(ports);
}

const SPREAD_RETRY_MS = 1_000;
/** The hub has 5 s to end. */
const STOP_GRACE_MS = 2_000;
/** What is kept of one channel, under its id. */
const CHANNEL_TABLES = ['notification', LETTER_TABLE, STANDING_TABLE] as const;

class StoredNotifier implements Notifier {
  readonly admin: ChannelAdmin;
  #ports: NotifierPorts & { counts: NotifyCounts };
  #deliveries = new Map<string, ChannelDelivery>();
  #spreading: Promise<void> | undefined;
  #spreadAgain = false;
  #started = false;
  #stopping = new AbortController();

  constructor(ports: NotifierPorts) {
    this.#ports = { ...ports, counts: ports.counts ?? new NotifyCounts() };
    this.admin = new StoredChannels(this.#ports, {
      delivery: (name) => this.#deliveries.get(name),
      open: (name, channel) => this.#open(name, channel),
      close: (name) => this.#close(name),
      forget: (id) => this.#forget(id),
    });
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
    this.wake();
  }

  wake(): void {
    if (!this.#started) return;
    this.#spreadAgain = true;
    this.#spreading ??= this.#spread().finally(() => {
      this.#spreading = undefined;
      if (this.#spreadAgain && this.#started) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#stopping.abort();
    await Promise.all([this.#spreading, ...[...this.#deliveries.values()].map((each) => each.stop(STOP_GRACE_MS))]);
    this.#deliveries.clear();
  }

  async #spread(): Promise<void> {
    this.#spreadAgain = false;
    try {
      const known = await storedChannels(this.#ports.store);
      const ids = new Set([...known.values()].map(({ id }) => id));
      const touched = await spreadIntake(this.#ports.store, ids);
      for (const delivery of this.#deliveries.values()) if (touched.has(delivery.channel.id)) delivery.wake();
    } catch (error) {
      // It stays in the intake.
      this.#ports.log('warn', { err: error }, 'cannot spread notifications over the channels');
      await (this.#ports.sleep ?? systemClock.sleep)(SPREAD_RETRY_MS, this.#stopping.signal);
      this.#spreadAgain = true;
    }
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
