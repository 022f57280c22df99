import { systemClock } from '../clock/clock.ts';
import type { Change } from '../store/store.ts';
import { CHANGES_MAX } from '../store/store.ts';
import { type Carriage, carryAll, type Inside } from './carriers/carriers.ts';
import { type ChannelStored, channelKey } from './channels.ts';
import { composed } from './compose.ts';
import { letterChanges, trimmed } from './dead-letters.ts';
import type { Outcome } from './kinds/kind.ts';
import type { AlertMessage, MessageAlert } from './message.ts';
import type { NotifierPorts } from './notify.ts';
import { isPutOff, keyOf, type Notification, notificationOf } from './outbox.ts';
import { channelDelayMs, messageDelayMs } from './retry.ts';
import { type OpenChannel, requireSettings } from './settings.ts';
import { allStanding, forgottenStanding, othersOf, standingChanges, standingOf } from './standing.ts';
import { inOrder, linesOf, together, type Waiting } from './waiting.ts';

/** Read in one go. */
const PAGE = 500;
/** A receiver that is gone takes nothing: so many are put aside in one write, each with two changes. */
const PUT_ASIDE = 40;

/** As people know it from breakers: `half-open` while the receiver is probed. */
export type CircuitState = 'closed' | 'open' | 'half-open';

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
  readonly #opened: OpenChannel;
  #ports: NotifierPorts;
  #stopping = new AbortController();
  #killed = new AbortController();
  #nap = new AbortController();
  #awake = false;
  #done: Promise<void> | undefined;
  /** Rounds in a row that found the receiver unavailable, and since when, and until when, it is left alone. */
  #failures = 0;
  #pausedSince = 0;
  #pausedUntil = 0;
  #lastError: string | undefined;
  /** When the receiver is told again what stands there; undefined: nothing does. */
  #refreshAt: number | undefined;

  constructor(opened: OpenChannel, ports: NotifierPorts) {
    this.name = opened.name;
    this.channel = opened.stored;
    this.#opened = opened;
    this.#ports = ports;
    if (opened.kind.refresh !== undefined) this.#refreshAt = 0;
  }

  get circuit(): CircuitState {
    if (this.#failures === 0) return 'closed';
    return this.#isPaused(this.#ports.now()) ? 'open' : 'half-open';
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
    const { disabled } = this.channel;
    // What has to be told waits until an operator wants it again.
    if (disabled?.by === 'operator') return undefined;
    if (disabled !== undefined) return this.#putAllAside(disabled);
    const refreshMs = await this.#refresh(now);
    const waitMs = await this.#deliverDue(now);
    if (refreshMs === undefined || waitMs === undefined) return waitMs ?? refreshMs;
    return Math.min(refreshMs, waitMs);
  }

  async #deliverDue(now: number): Promise<number | undefined> {
    const { due, nextAt } = await this.#waiting(now);
    if (nextAt === undefined) return undefined;
    const isPaused = this.#isPaused(now);
    if (isPaused || due.length === 0) return Math.max(1, Math.max(isPaused ? this.#pausedUntil : 0, nextAt) - now);
    if (this.#failures > 0) await this.#settle(await this.#probe(due));
    else await this.#deliverInOrder(due);
    return 0;
  }

  /** Where the clock was set back, a pause is over: nobody is to wait until it is where it was. */
  #isPaused(now: number): boolean {
    return now >= this.#pausedSince && now < this.#pausedUntil;
  }

  /** Tells again what stands at the receiver. @returns when it is to be done next, in ms; undefined: nothing stands there */
  async #refresh(now: number): Promise<number | undefined> {
    const { refresh } = this.#opened.kind;
    if (refresh === undefined || this.#refreshAt === undefined) return undefined;
    if (this.#refreshAt > now) return this.#refreshAt - now;
    const { store } = this.#ports;
    const { id } = this.channel;
    const all = await allStanding(store, id);
    const over = forgottenStanding(all, now);
    for (let at = 0; at < over.length; at += CHANGES_MAX) await store.write(over.slice(at, at + CHANGES_MAX));
    const standing = all.map((each) => each.standing).filter(({ until }) => until === undefined || until > now);
    if (standing.length === 0) {
      this.#refreshAt = undefined;
      return undefined;
    }
    const setting = { settings: requireSettings(this.#opened), name: this.name, id, now };
    const firing = standing.filter(({ until }) => until === undefined).map(({ alert }) => alert);
    const ended = standing.filter(({ until }) => until !== undefined).map(({ alert }) => alert);
    const outcome = await carryAll(refresh.compose(firing, ended, setting), this.#carriage(undefined));
    if (isFailure(outcome)) {
      this.#ports.log('warn', { channel: this.name }, `what fires there could not be told again: ${outcome.detail}`);
    }
    const everyMs = refresh.everyMs(setting.settings);
    this.#refreshAt = now + everyMs;
    return everyMs;
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
        const lines = linesOf(notification);
        const isHeld = lines.some((line) => held.has(line));
        const dueAt = isPutOff(notification) ? notification.nextAt : now;
        if (!isHeld) nextAt = Math.min(nextAt ?? dueAt, dueAt);
        if (isHeld || dueAt > now) {
          for (const line of lines) held.add(line);
          continue;
        }
        if (notification.refused || lines.some((line) => refused.has(line))) {
          for (const line of lines) refused.add(line);
          last.push(waiting);
        } else due.push(waiting);
      }
      after = page.next;
    } while (after !== undefined && due.length < this.#opened.kind.concurrency);
    return { due: [...due, ...last], nextAt };
  }

  /** Until the receiver is found unavailable, or something else has come. */
  async #deliverInOrder(due: readonly Waiting[]): Promise<void> {
    const held = new Set<string>();
    const waiting = [...due];
    do {
      const taken = together(waiting, this.#opened.kind.concurrency);
      const some = taken.filter(({ notification }) => !linesOf(notification).some((line) => held.has(line)));
      // What waits for one that was refused keeps those behind it waiting, too.
      for (const each of taken) if (!some.includes(each)) for (const line of linesOf(each.notification)) held.add(line);
      const attempted = await this.#deliverAll(some);
      await this.#settle(attempted);
      for (const { notification, outcome } of attempted) {
        if (outcome.kind === 'refused') for (const line of linesOf(notification)) held.add(line);
        else if (outcome.kind !== 'delivered') return;
      }
    } while (waiting.length > 0 && !this.#awake);
  }

  async #probe(due: readonly Waiting[]): Promise<Attempted[]> {
    const oldest = due[0]!;
    const seen = new Set<string>();
    const heads = due.filter(({ notification }) => {
      const lines = linesOf(notification);
      const isHead = !lines.some((line) => seen.has(line));
      for (const line of lines) seen.add(line);
      return isHead;
    });
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
    const { message } = waiting.notification;
    const { refresh, countsFiring = false } = this.#opened.kind;
    const { store } = this.#ports;
    const isKept = refresh !== undefined || countsFiring;
    const superseded = isKept ? await standingOf(store, this.channel.id, message) : [];
    const others = countsFiring ? await othersOf(store, this.channel.id, message) : [];
    const outcome = await this.#attempt(message, { superseded, others });
    const now = this.#ports.now();
    this.#ports.counts?.attempted(this.channel.kind, outcome.kind);
    if (outcome.kind === 'delivered') {
      this.#failures = 0;
      this.#pausedUntil = 0;
      this.#lastError = outcome.leftOut;
      if (outcome.leftOut !== undefined)
        this.#ports.log('warn', { channel: this.name, message: message.id }, outcome.leftOut);
      this.channel.delivered += 1;
      this.channel.lastDeliveredAt = now;
      this.#ports.counts?.delivered(this.channel.kind, now - message.createdAt);
      if (isKept) await this.#stand(message, superseded, now);
      await this.#record([{ remove: keyOf(waiting.item) }]);
    } else if (outcome.kind === 'gone') {
      this.#lastError = outcome.detail;
      this.channel.disabled = { at: now, detail: outcome.detail };
      this.#ports.log('warn', { channel: this.name }, 'receiver answered 410 Gone: the channel is disabled');
      await this.#record([]);
    }
    return { ...waiting, outcome };
  }

  /** Before the message leaves the outbox: told twice is better than forgotten by the receiver. */
  async #stand(message: AlertMessage, before: readonly MessageAlert[], now: number): Promise<void> {
    const { refresh } = this.#opened.kind;
    const endedForMs = refresh?.endedForMs ?? 0;
    const changes = standingChanges(this.channel.id, message, before, { now, endedForMs });
    for (let at = 0; at < changes.length; at += CHANGES_MAX) {
      await this.#ports.store.write(changes.slice(at, at + CHANGES_MAX));
    }
    if (refresh !== undefined) this.#refreshAt ??= now + refresh.everyMs(requireSettings(this.#opened));
  }

  async #attempt(message: AlertMessage, standing: Parameters<typeof composed>[3]): Promise<Outcome> {
    try {
      const { parcels, fault } = composed(this.#opened, message, this.#ports.now(), standing);
      if (fault !== undefined)
        this.#ports.log('warn', { channel: this.name, message: message.id }, `without its template: ${fault}`);
      return await carryAll(parcels, this.#carriage(message));
    } catch (error) {
      return { kind: 'unavailable', detail: (error as Error).message };
    }
  }

  #carriage(message: AlertMessage | undefined): Carriage {
    const { carriers, now } = this.#ports;
    return { carriers, inside: insideOf(this.#ports, this.name, message), now, signal: this.#killed.signal };
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
      this.#pausedSince = now;
      this.#pausedUntil = now + channelDelayMs({ times: this.#failures, retryAfterMs, chance: this.#chance() });
    }
    this.#lastError = failed.at(-1)!.outcome.detail;
    const changes = failed.flatMap((each) => this.#postpone(each, isDown, now));
    await this.#record([...changes, ...(await trimmed(this.#ports.store, this.channel, this.#ports.deadLettersMax))]);
  }

  #postpone(failed: Failed, isDown: boolean, now: number): Change[] {
    const { item, notification, outcome } = failed;
    const { id, createdAt } = notification.message;
    const attempts = notification.attempts + 1;
    const fields = { channel: this.name, message: id, attempts };
    const since = notification.replayedAt ?? createdAt;
    if (now - since > this.#ports.giveUpMs) {
      this.#ports.log('warn', fields, `given up: ${outcome.detail}`);
      const dead = { item, notification: { ...notification, attempts } };
      return letterChanges(this.channel, dead, { at: now, reason: 'given-up', detail: outcome.detail });
    }
    this.#ports.log('warn', fields, `not delivered, will be tried again: ${outcome.detail}`);
    const refused = outcome.kind === 'refused';
    const json: Notification = { ...notification, attempts, refused };
    const failure = { times: attempts, retryAfterMs: outcome.retryAfterMs, chance: this.#chance() };
    // One that found nobody there stays due: it goes as soon as somebody is.
    if (refused) json.nextAt = now + messageDelayMs(failure);
    else if (!isDown) json.nextAt = now + channelDelayMs(failure);
    return [{ put: keyOf(item), json }];
  }

  #chance(): number {
    return Buffer.from(this.#ports.random(4)).readUInt32LE() / 2 ** 32;
  }

  /** The receiver wants nothing more: what waits is put aside, to be sent again if it changes its mind. */
  async #putAllAside({ detail }: { detail: string }): Promise<number | undefined> {
    const { store, deadLettersMax } = this.#ports;
    const page = await store.query({ table: 'notification', partition: this.channel.id, limit: PUT_ASIDE });
    if (page.items.length === 0) return undefined;
    const at = this.#ports.now();
    const changes = page.items.flatMap((item) =>
      letterChanges(this.channel, { item, notification: notificationOf(item) }, { at, reason: 'gone', detail }),
    );
    await this.#record(changes);
    for (;;) {
      const over = await trimmed(store, this.channel, deadLettersMax);
      if (over.length === 0) return 0;
      await this.#record(over);
    }
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

/** What a terminal and a device get comes from within. */
export function insideOf(ports: NotifierPorts, channel: string, message: AlertMessage | undefined): Inside {
  const only =
    message !== undefined && message.kind === 'alerts' && message.alerts.length === 1 ? message.alerts[0] : undefined;
  return {
    print(text) {
      const about = only === undefined ? {} : { transition: only.transition, origin: only.origin };
      ports.events.emit({ type: 'notification', at: ports.now(), channel, text, ...about });
      const fields = only === undefined ? { channel } : { channel, episode: only.episode, seq: only.seq };
      ports.log('info', fields, text);
    },
    command: (parcel) => ports.sendCommand(parcel),
  };
}
