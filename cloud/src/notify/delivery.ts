import { systemClock } from '../clock/clock.ts';
import type { Change, Item } from '../store/store.ts';
import { type ChannelStored, channelKey } from './channels.ts';
import type { NotifierPorts } from './notify.ts';
import { keyOf, type Notification, notificationOf } from './outbox.ts';
import { channelDelayMs, GIVE_UP_MS, messageDelayMs } from './retry.ts';
import { alertLine } from './terminal.ts';
import { alertMessage, type Outcome, post } from './webhook.ts';

/** @see Standard Webhooks: 15 to 30 s. */
export const TIMEOUT_MS = 15_000;
/** Of a healthy receiver; one that fails is asked one thing at a time. */
const CONCURRENCY = 4;
/** Read in one go. */
const PAGE = 500;

interface Waiting {
  item: Item;
  notification: Notification;
}

type Attempted = Waiting & { outcome: Outcome };
type Failed = Waiting & { outcome: Outcome & { kind: 'refused' | 'unavailable' } };

/**
 * Empties the outbox of one channel. What happens to another channel is nothing to it.
 *
 *     round: read a window of what is due -> attempt it in order, some at a time -> record
 *
 * A round that found the receiver unavailable and delivered nothing counts one failure, and the channel pauses. Then
 * it is probed with the oldest message, and if that fails with the one tried least: a message that breaks its
 * receiver must not keep the others. After a success all that waits is due, oldest first. A message that is refused,
 * or fails while others pass, waits by its own schedule.
 */
export class ChannelDelivery {
  readonly name: string;
  readonly channel: ChannelStored;
  #ports: NotifierPorts;
  #stopping = new AbortController();
  #killed = new AbortController();
  #nap = new AbortController();
  #awake = false;
  #done: Promise<void> | undefined;
  /** Rounds in a row that found the receiver unavailable, and until when it is left alone. */
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
    const { due, nextAt } = await this.#waiting(now);
    if (nextAt === undefined) return undefined;
    if (this.#pausedUntil > now || due.length === 0) return Math.max(1, Math.max(this.#pausedUntil, nextAt) - now);
    if (this.#failures > 0) await this.#settle(await this.#probe(due));
    else await this.#deliverInOrder(due);
    return 0;
  }

  /**
   * What may be tried now: in order, those refused before behind the others. Of an episode each transition waits for
   * the one before it.
   * @returns enough for a round, and the earliest time at which anything is due; undefined: nothing waits
   */
  async #waiting(now: number): Promise<{ due: Waiting[]; nextAt: number | undefined }> {
    const due: Waiting[] = [];
    const last: Waiting[] = [];
    const held = new Set<string>();
    const refused = new Set<string>();
    let nextAt: number | undefined;
    let after: string | undefined;
    do {
      const query = { table: 'notification', partition: this.channel.id, limit: PAGE };
      const page = await this.#ports.store.query(after === undefined ? query : { ...query, after });
      for (const waiting of inOrder(page.items)) {
        const { notification } = waiting;
        const episode = lineOf(notification);
        if (held.has(episode)) continue;
        nextAt = Math.min(nextAt ?? notification.nextAt, notification.nextAt);
        if (notification.refused) refused.add(episode);
        if (notification.nextAt > now) held.add(episode);
        else (refused.has(episode) ? last : due).push(waiting);
      }
      after = page.next;
    } while (after !== undefined && due.length < CONCURRENCY);
    return { due: [...due, ...last], nextAt };
  }

  /** Until the receiver is found unavailable, or something else has come. */
  async #deliverInOrder(due: readonly Waiting[]): Promise<void> {
    const held = new Set<string>();
    const waiting = [...due];
    do {
      const some = together(waiting).filter(({ notification }) => !held.has(lineOf(notification)));
      const attempted = await this.#deliverAll(some);
      await this.#settle(attempted);
      for (const { notification, outcome } of attempted) {
        if (outcome.kind === 'refused') held.add(lineOf(notification));
        else if (outcome.kind !== 'delivered') return;
      }
    } while (waiting.length > 0 && !this.#awake);
  }

  async #probe(due: readonly Waiting[]): Promise<Attempted[]> {
    const oldest = due[0]!;
    const seen = new Set<string>();
    const heads = due.filter(({ notification }) => seen.size < seen.add(lineOf(notification)).size);
    const first = await this.#deliver(oldest);
    const leastTried = heads.reduce((a, b) => (b.notification.attempts < a.notification.attempts ? b : a));
    if (first.outcome.kind !== 'unavailable' || leastTried === oldest) return [first];
    return [first, await this.#deliver(leastTried)];
  }

  /** All of them end before the next round looks at what waits. */
  async #deliverAll(some: readonly Waiting[]): Promise<Attempted[]> {
    const ended = await Promise.allSettled(some.map((each) => this.#deliver(each)));
    return ended.map((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
  }

  /** Records at once what became of it, unless it failed: that is judged with its round. */
  async #deliver(waiting: Waiting): Promise<Attempted> {
    const outcome = await this.#attempt(waiting.notification);
    const now = this.#ports.now();
    if (outcome.kind === 'delivered') {
      this.#failures = 0;
      this.#pausedUntil = 0;
      this.#lastError = undefined;
      this.channel.delivered += 1;
      this.channel.lastDeliveredAt = now;
      await this.#record([{ remove: keyOf(waiting.item) }]);
    } else if (outcome.kind === 'gone') {
      this.#lastError = outcome.detail;
      this.channel.disabled = { at: now, detail: outcome.detail };
      this.#ports.log('warn', { channel: this.name }, 'receiver answered 410 Gone: the channel is disabled');
      await this.#record([]);
    }
    return { ...waiting, outcome };
  }

  async #attempt({ message: { alerts } }: Notification): Promise<Outcome> {
    const { transition, origin } = alerts[0]!;
    const { kind, url, secret } = this.channel;
    if (kind === 'webhook') {
      const signal = this.#killed.signal;
      const message = alertMessage(transition, origin);
      const send = this.#ports.post ?? post;
      return send(message, { url: url!, secret, now: this.#ports.now(), timeoutMs: TIMEOUT_MS, signal });
    }
    const text = alertLine(transition);
    const at = this.#ports.now();
    this.#ports.events.emit({ type: 'notification', at, channel: this.name, text, transition, origin });
    this.#ports.log('info', { channel: this.name, episode: transition.episode, seq: transition.seq }, text);
    return { kind: 'delivered', detail: 'printed' };
  }

  async #settle(attempted: readonly Attempted[]): Promise<void> {
    const failed = attempted.filter((each): each is Failed => isFailure(each.outcome));
    if (failed.length === 0) return;
    const now = this.#ports.now();
    const unavailable = failed.filter(({ outcome }) => outcome.kind === 'unavailable');
    const isDown = unavailable.length > 0 && !attempted.some(({ outcome }) => outcome.kind === 'delivered');
    if (isDown) {
      this.#failures += 1;
      const retryAfterMs = Math.max(...unavailable.map(({ outcome }) => outcome.retryAfterMs ?? 0));
      this.#pausedUntil = now + channelDelayMs({ times: this.#failures, retryAfterMs, chance: this.#chance() });
    }
    this.#lastError = failed.at(-1)!.outcome.detail;
    await this.#record(failed.map((each) => this.#postpone(each, isDown, now)));
  }

  #postpone({ item, notification, outcome }: Failed, isDown: boolean, now: number): Change {
    const { alerts, createdAt } = notification.message;
    const transition = alerts[0]!;
    const attempts = notification.attempts + 1;
    const fields = { channel: this.name, episode: transition.episode, seq: transition.seq, attempts };
    if (now - createdAt > GIVE_UP_MS) {
      this.channel.dropped += 1;
      this.#ports.log('warn', fields, `given up: ${outcome.detail}`);
      return { remove: keyOf(item) };
    }
    this.#ports.log('warn', fields, `not delivered, will be tried again: ${outcome.detail}`);
    const refused = outcome.kind === 'refused';
    const json: Notification = { ...notification, attempts, refused };
    const failure = { times: attempts, retryAfterMs: outcome.retryAfterMs, chance: this.#chance() };
    // One that found nobody there stays due: it goes as soon as somebody is.
    if (refused) json.nextAt = now + messageDelayMs(failure);
    else if (!isDown) json.nextAt = now + channelDelayMs(failure);
    return { put: keyOf(item), json };
  }

  #chance(): number {
    return Buffer.from(this.#ports.random(4)).readUInt32LE() / 2 ** 32;
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

function isFailure(outcome: Outcome): outcome is Outcome & { kind: 'refused' | 'unavailable' } {
  return outcome.kind === 'refused' || outcome.kind === 'unavailable';
}

/** In order of the store; of one episode by number, though it may have been recorded otherwise within one ms. */
function inOrder(items: readonly Item[]): Waiting[] {
  const episodes = Map.groupBy(
    items.map((item): Waiting => ({ item, notification: notificationOf(item) })),
    ({ notification }) => lineOf(notification),
  );
  for (const each of episodes.values()) {
    each.sort((a, b) => seqOf(a) - seqOf(b));
  }
  return items.map((item) => episodes.get(lineOf(notificationOf(item)))!.shift()!);
}

/** Takes away the first few, no two of one episode. */
function together(waiting: Waiting[]): Waiting[] {
  const episodes = new Set<string>();
  for (const { notification } of waiting) {
    const episode = lineOf(notification);
    if (episodes.size === CONCURRENCY || episodes.has(episode)) break;
    episodes.add(episode);
  }
  return waiting.splice(0, episodes.size);
}

/** What must be delivered in order. */
function lineOf({ message }: Notification): string {
  return message.episodes[0]!;
}

function seqOf({ notification }: Waiting): number {
  return notification.message.alerts[0]!.seq;
}
