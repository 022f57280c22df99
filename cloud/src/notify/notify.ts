/** Carries alerts to people: a durable outbox, one worker for each channel, at least once under one idempotency key. */
import { UsageError } from '@weir/runtime';
import type { HubEvents } from '../api/events.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import type { Store } from '../store/store.ts';
import { CHANNELS_MAX, type ChannelStored, channelKey, checkWebhookUrl, shownUrl, storedChannels } from './channels.ts';
import { ChannelDelivery, TIMEOUT_MS } from './delivery.ts';
import { keyOf, spreadIntake } from './outbox.ts';
import { formatSecret, type Post, post, SECRET_BYTES } from './webhook.ts';

export type ChannelTarget = { kind: 'webhook'; url: string; signed: boolean } | { kind: 'terminal' };

/** `failing`: the last attempt failed, it is tried again; `disabled`: the receiver answered 410 Gone. */
export type ChannelState = 'idle' | 'ok' | 'failing' | 'disabled';

export interface ChannelRecord {
  name: string;
  kind: ChannelTarget['kind'];
  /** Without its path, which may be a secret. */
  url?: string;
  signed: boolean;
  createdAt: number;
  state: ChannelState;
  /** Notifications that wait. */
  waiting: number;
  delivered: number;
  /** Given up after the last attempt, or because the channel was disabled. */
  dropped: number;
  lastDeliveredAt?: number;
  /** What went wrong last, while `failing` or `disabled`. */
  lastError?: string;
  nextAttemptAt?: number;
}

export interface Notifier {
  /** @returns the signing secret, for this once. @throws {UsageError} */
  addChannel(name: string, target: ChannelTarget): Promise<{ secret?: string }>;
  removeChannel(name: string): Promise<void>;
  channels(): Promise<ChannelRecord[]>;
  /** Sends a test message now; one that arrives enables a disabled channel again. */
  test(name: string): Promise<{ delivered: boolean; detail: string }>;
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
  /** One line for the hub's log. */
  log: (level: 'info' | 'warn', fields: Record<string, unknown>, text: string) => void;
  /** Waits before a repeated attempt; in real time when absent. */
  sleep?: Clock['sleep'];
  /** Posts to webhooks; by HTTP when absent. */
  post?: Post;
}

export function createNotifier(ports: NotifierPorts): Notifier {
  return new StoredNotifier(ports);
}

const SPREAD_RETRY_MS = 1_000;
/** The hub has 5 s to end. */
const STOP_GRACE_MS = 2_000;

class StoredNotifier implements Notifier {
  #ports: NotifierPorts;
  #deliveries = new Map<string, ChannelDelivery>();
  #spreading: Promise<void> | undefined;
  #spreadAgain = false;
  #started = false;
  #stopping = new AbortController();

  constructor(ports: NotifierPorts) {
    this.#ports = ports;
  }

  async addChannel(name: string, target: ChannelTarget): Promise<{ secret?: string }> {
    const known = await storedChannels(this.#ports.store);
    if (known.has(name)) {
      throw new UsageError(
        'channel-exists',
        `there is a channel "${name}" already`,
        'choose another name, or remove it',
      );
    }
    if (known.size >= CHANNELS_MAX) {
      throw new UsageError(
        'limit-exceeded',
        `there are ${known.size} channels, which is the limit`,
        'remove one first',
      );
    }
    const channel: ChannelStored = {
      id: Buffer.from(this.#ports.random(8)).toString('hex'),
      kind: target.kind,
      createdAt: this.#ports.now(),
      delivered: 0,
      dropped: 0,
    };
    if (target.kind === 'webhook') {
      channel.url = checkWebhookUrl(target.url);
      if (target.signed) channel.secret = formatSecret(this.#ports.random(SECRET_BYTES));
    }
    await this.#ports.store.write([{ put: channelKey(name), json: channel, ifVersion: 0 }]);
    this.#open(name, channel);
    return channel.secret === undefined ? {} : { secret: channel.secret };
  }

  async removeChannel(name: string): Promise<void> {
    const channel = await this.#stored(name);
    await this.#deliveries.get(name)?.stop(STOP_GRACE_MS);
    this.#deliveries.delete(name);
    await this.#ports.store.write([{ remove: channelKey(name) }]);
    await this.#forget(channel.id);
  }

  async channels(): Promise<ChannelRecord[]> {
    const known = await storedChannels(this.#ports.store);
    return Promise.all([...known].map(([name, channel]) => this.#describe(name, channel)));
  }

  async test(name: string): Promise<{ delivered: boolean; detail: string }> {
    const channel = await this.#stored(name);
    const now = this.#ports.now();
    if (channel.kind === 'terminal') {
      const text = `test      info      ${name}  a test of this channel`;
      this.#ports.events.emit({ type: 'notification', at: now, channel: name, text });
      this.#ports.log('info', { channel: name }, text);
      return { delivered: true, detail: 'printed' };
    }
    const id = `test-${Buffer.from(this.#ports.random(8)).toString('hex')}`;
    const timestamp = new Date(now).toISOString();
    const body = JSON.stringify({ type: 'weir.test', timestamp, data: { channel: name } });
    const signal = new AbortController().signal;
    const outcome = await (this.#ports.post ?? post)(
      { id, body },
      { url: channel.url!, secret: channel.secret, now, timeoutMs: TIMEOUT_MS, signal },
    );
    if (outcome.kind === 'stopped') return { delivered: false, detail: 'the hub stops' };
    if (outcome.kind === 'delivered' && channel.disabled !== undefined) await this.#enable(name, channel);
    return { delivered: outcome.kind === 'delivered', detail: outcome.detail };
  }

  async start(): Promise<void> {
    this.#started = true;
    const known = await storedChannels(this.#ports.store);
    const ids = new Set([...known.values()].map(({ id }) => id));
    // A crash between the removal of a channel and that of what waited for it leaves the latter behind.
    const { names } = await this.#ports.store.partitions('notification', { limit: 2 * CHANNELS_MAX });
    for (const id of names) if (!ids.has(id)) await this.#forget(id);
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
    const delivery = new ChannelDelivery(name, channel, this.#ports);
    this.#deliveries.set(name, delivery);
    delivery.start();
  }

  async #enable(name: string, { disabled, ...channel }: ChannelStored): Promise<void> {
    await this.#deliveries.get(name)?.stop(STOP_GRACE_MS);
    await this.#ports.store.write([{ put: channelKey(name), json: channel }]);
    this.#open(name, channel);
  }

  async #stored(name: string): Promise<ChannelStored> {
    const channel = (await storedChannels(this.#ports.store)).get(name);
    if (channel !== undefined) return channel;
    throw new UsageError('channel-unknown', `there is no channel "${name}"`, 'see which there are: weir channel list');
  }

  async #forget(id: string): Promise<void> {
    for (;;) {
      const { items } = await this.#ports.store.query({ table: 'notification', partition: id, limit: 100 });
      if (items.length === 0) return;
      await this.#ports.store.write(items.map((item) => ({ remove: keyOf(item) })));
    }
  }

  async #describe(name: string, channel: ChannelStored): Promise<ChannelRecord> {
    const delivery = this.#deliveries.get(name);
    const record: ChannelRecord = {
      name,
      kind: channel.kind,
      signed: channel.secret !== undefined,
      createdAt: channel.createdAt,
      state: stateOf(channel, delivery),
      waiting: await this.#count(channel.id),
      delivered: channel.delivered,
      dropped: channel.dropped,
    };
    if (channel.url !== undefined) record.url = shownUrl(channel.url);
    if (channel.lastDeliveredAt !== undefined) record.lastDeliveredAt = channel.lastDeliveredAt;
    const lastError = channel.disabled?.detail ?? delivery?.lastError;
    if (lastError !== undefined) record.lastError = lastError;
    if (delivery?.nextAttemptAt !== undefined) record.nextAttemptAt = delivery.nextAttemptAt;
    return record;
  }

  async #count(id: string): Promise<number> {
    let count = 0;
    let after: string | undefined;
    do {
      const query = { table: 'notification', partition: id, limit: 500 };
      const page = await this.#ports.store.query(after === undefined ? query : { ...query, after });
      count += page.items.length;
      after = page.next;
    } while (after !== undefined);
    return count;
  }
}

function stateOf(channel: ChannelStored, delivery: ChannelDelivery | undefined): ChannelState {
  if (channel.disabled !== undefined) return 'disabled';
  if (delivery?.lastError !== undefined) return 'failing';
  return channel.lastDeliveredAt === undefined ? 'idle' : 'ok';
}
