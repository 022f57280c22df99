import { systemClock } from '../clock/clock.ts';
import type { Change, Item } from '../store/store.ts';
import { type ChannelStored, channelKey } from './channels.ts';
import type { NotifierPorts } from './notify.ts';
import { keyOf, type Notification } from './outbox.ts';
import { GIVE_UP_MS, retryDelayMs } from './retry.ts';
import { alertLine } from './terminal.ts';
import { alertMessage, type Outcome, post } from './webhook.ts';

/** @see Standard Webhooks: 15 to 30 s. */
export const TIMEOUT_MS = 15_000;
/** Of a healthy receiver; one that fails is asked one thing at a time. */
const CONCURRENCY = 4;
/** Looked at in one go. */
const WINDOW = 500;

interface Waiting {
  item: Item;
  notification: Notification;
}

/** Empties the outbox of one channel. What happens to another channel is nothing to it. */
export class ChannelDelivery {
  readonly name: string;
  readonly channel: ChannelStored;
  #ports: NotifierPorts;
  #stopping = new AbortController();
  #killed = new AbortController();
  #nap = new AbortController();
  #awake = false;
  #done: Promise<void> | undefined;
  /** Attempts in a row that found the receiver unavailable, and until when it is left alone. */
  #failures = 0;
  #pausedUntil = 0;
  #lastError: string | undefined;

  constructor(name: string, channel: ChannelStored, ports: NotifierPorts) {
    this.name = name;
    this.channel = channel;
    this.#ports = ports;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  get nextAttemptAt(): number | undefined {
    return this.#lastError !== undefined && this.#pausedUntil > 0 ? this.#pausedUntil : undefined;
  }

  start(): void {
    this.#done ??= this.#run();
  }

  wake(): void {
    this.#awake = true;
    this.#nap.abort();
  }

  /** @param graceMs for the attempts under way */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    this.wake();
    const ended = new AbortController();
    await Promise.race([this.#done, systemClock.sleep(graceMs, ended.signal)]);
    ended.abort();
    this.#killed.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#awake = false;
      try {
        const waitMs = await this.#round();
        if (waitMs !== 0) await this.#sleep(waitMs);
      } catch (error) {
        // The store failed. Nothing is lost; what was delivered but not recorded is delivered again under its key.
        this.#ports.log('warn', { channel: this.name, err: error }, 'cannot read or record notifications');
        await this.#sleep(1000);
      }
    }
  }

  /** @returns how long nothing needs to be done, in ms; undefined: until woken */
  async #round(): Promise<number | undefined> {
    const now = this.#ports.now();
    if (this.channel.disabled !== undefined) return this.#dropAll();
    const waiting = await this.#waiting();
    if (waiting.length === 0) return undefined;
    const due = waiting.filter(({ notification }) => notification.nextAt <= now);
    if (this.#pausedUntil > now || due.length === 0) {
      const next = Math.min(...waiting.map(({ notification }) => notification.nextAt));
      return Math.max(1, Math.max(this.#pausedUntil, next) - now);
    }
    // One message that fails every time must not keep the others: the least tried goes first.
    due.sort((a, b) => a.notification.attempts - b.notification.attempts);
    const some = due.slice(0, this.#failures > 0 ? 1 : CONCURRENCY);
    // All of them end before the next round looks at what waits.
    const ended = await Promise.allSettled(some.map((each) => this.#deliver(each)));
    const failed = ended.find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    return 0;
  }

  /** Of each episode the earliest: what follows it waits for it. */
  async #waiting(): Promise<Waiting[]> {
    const { items } = await this.#ports.store.query({
      table: 'notification',
      partition: this.channel.id,
      limit: WINDOW,
    });
    const first = new Map<string, Waiting>();
    for (const item of items) {
      const notification = item.json as Notification;
      const { episode, seq } = notification.transition;
      const found = first.get(episode);
      if (found === undefined || seq < found.notification.transition.seq) first.set(episode, { item, notification });
    }
    return [...first.values()];
  }

  async #deliver({ item, notification }: Waiting): Promise<void> {
    const outcome = await this.#attempt(notification);
    const now = this.#ports.now();
    switch (outcome.kind) {
      case 'stopped':
        return;
      case 'delivered':
        this.#failures = 0;
        this.#pausedUntil = 0;
        this.#lastError = undefined;
        this.channel.delivered += 1;
        this.channel.lastDeliveredAt = now;
        return this.#record([{ remove: keyOf(item) }]);
      case 'gone':
        this.#lastError = outcome.detail;
        this.channel.disabled = { at: now, detail: outcome.detail };
        this.#ports.log('warn', { channel: this.name }, 'receiver answered 410 Gone: the channel is disabled');
        return this.#record([]);
      default:
        return this.#failed(item, notification, outcome, now);
    }
  }

  async #attempt({ transition, origin }: Notification): Promise<Outcome> {
    const { kind, url, secret } = this.channel;
    if (kind === 'webhook') {
      const signal = this.#killed.signal;
      const message = alertMessage(transition, origin);
      return post(message, { url: url!, secret, now: this.#ports.now(), timeoutMs: TIMEOUT_MS, signal });
    }
    const text = alertLine(transition);
    const at = this.#ports.now();
    this.#ports.events.emit({ type: 'notification', at, channel: this.name, text, transition, origin });
    this.#ports.log('info', { channel: this.name, episode: transition.episode, seq: transition.seq }, text);
    return { kind: 'delivered', detail: 'printed' };
  }

  async #failed(
    item: Item,
    notification: Notification,
    outcome: Outcome & { kind: 'refused' | 'unavailable' },
    now: number,
  ): Promise<void> {
    this.#lastError = outcome.detail;
    const attempts = notification.attempts + 1;
    const chance = Buffer.from(this.#ports.random(4)).readUInt32LE() / 2 ** 32;
    if (outcome.kind === 'unavailable') {
      this.#failures += 1;
      this.#pausedUntil = now + retryDelayMs(this.#failures, outcome.retryAfterMs, chance);
    }
    const { transition, createdAt } = notification;
    const fields = { channel: this.name, episode: transition.episode, seq: transition.seq, attempts };
    if (now - createdAt > GIVE_UP_MS) {
      this.channel.dropped += 1;
      this.#ports.log('warn', fields, `given up: ${outcome.detail}`);
      return this.#record([{ remove: keyOf(item) }]);
    }
    this.#ports.log('warn', fields, `not delivered, will be tried again: ${outcome.detail}`);
    const nextAt = now + retryDelayMs(attempts, outcome.retryAfterMs, chance);
    const json: Notification = { ...notification, attempts, nextAt };
    return this.#record([{ put: keyOf(item), json }]);
  }

  /** The receiver wants nothing more: what waits is dropped, and counted. */
  async #dropAll(): Promise<number | undefined> {
    const page = await this.#ports.store.query({ table: 'notification', partition: this.channel.id, limit: 90 });
    if (page.items.length === 0) return undefined;
    this.channel.dropped += page.items.length;
    await this.#record(page.items.map((item) => ({ remove: keyOf(item) })));
    return 0;
  }

  async #record(changes: Change[]): Promise<void> {
    await this.#ports.store.write([...changes, { put: channelKey(this.name), json: this.channel }]);
  }

  async #sleep(ms: number | undefined): Promise<void> {
    this.#nap = new AbortController();
    if (this.#awake || this.#stopping.signal.aborted) return;
    const { signal } = this.#nap;
    if (ms !== undefined) await (this.#ports.sleep ?? systemClock.sleep)(ms, signal);
    else await new Promise((woken) => signal.addEventListener('abort', woken, { once: true }));
  }
}
