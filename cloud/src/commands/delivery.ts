/** Carries out what `resend.ts` decides, for all devices: reads commands, hands them to the downlink, ends those that expired. */
import { CommandError, type CommandMessage, commandTopic, encodeCommand } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';
import { type Downlink, DownlinkError } from '../downlink/downlink.ts';
import type { Logger } from '../logger.ts';
import { type Item, type Store, StoreError } from '../store/store.ts';
import { COMMAND_TABLE, commandKey, commandsOf, type StoredCommand } from './command.ts';
import { emptyQueue, type QueueEffect, type QueueEvent, type QueueState, transition } from './resend.ts';

export interface DeliveryPorts {
  store: Store;
  downlink: Downlink;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  logger: Logger;
}

export interface DeliveryCounts {
  /** Handed to the downlink, each time. */
  sent: number;
  expired: number;
  /** Not taken by the downlink for good, e.g. because it is too large for it. */
  refused: number;
}

const TICK_MS = 1_000;
/** Devices that are sent to at once: a hub that comes back must not open a connection for each of its fleet. */
const ROUNDS_MAX = 8;
/** Ended commands that are kept for each device, and for how long: to look at, not an archive. */
const ENDED_KEPT = 100;
const ENDED_KEPT_MS = 7 * 86_400_000;
/** They are looked through once for so many that ended. */
const TRIM_AFTER = 20;

export class CommandDelivery {
  readonly #ports: DeliveryPorts;
  /** Of devices for which commands wait. */
  readonly #queues = new Map<string, QueueState>();
  readonly #listening = new Set<string>();
  /** Commands that ended since those of the device were looked through. */
  readonly #endings = new Map<string, number>();
  readonly #counts: DeliveryCounts = { sent: 0, expired: 0, refused: 0 };
  readonly #stopping = new AbortController();
  /** Rounds that wait for one of those under way to end. */
  readonly #rounds: (() => Promise<unknown>)[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #ticking: Promise<void> | undefined;

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
  }

  /** Takes up what waits. To be called before the front listens. */
  async start(): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#ports.store.partitions(COMMAND_TABLE, after === undefined ? {} : { after });
      for (const device of page.names) await this.#load(device);
      after = page.next;
    } while (after !== undefined);
    this.#ticking = this.#tick();
  }

  /** Ends after what is on its way to the downlink; idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#rounds.length = 0;
    await this.#ticking;
    await Promise.all(this.#running);
  }

  waiting(device: string): number {
    return this.#queues.get(device)?.waiting.length ?? 0;
  }

  counts(): Readonly<DeliveryCounts> {
    return this.#counts;
  }

  made(device: string, commands: readonly { id: string; expiresAt: number }[]): void {
    if (commands.length > 0) this.#handle(device, { type: 'made', commands });
  }

  listening(device: string): void {
    this.#listening.add(device);
    if (this.#queues.has(device)) this.#handle(device, { type: 'listening' });
  }

  gone(device: string): void {
    this.#listening.delete(device);
    if (this.#queues.has(device)) this.#handle(device, { type: 'gone' });
  }

  /** Noted in the store already. */
  ended(device: string, id: string): void {
    if (this.#queues.has(device)) this.#handle(device, { type: 'ended', id });
    const endings = (this.#endings.get(device) ?? 0) + 1;
    this.#endings.set(device, endings);
    if (endings >= TRIM_AFTER) this.#background(() => this.#trim(device));
  }

  async #load(device: string): Promise<void> {
    const found = await this.#trim(device);
    const waiting = found.filter(({ command }) => command.state === 'waiting');
    if (waiting.length === 0) return;
    // Nobody listens yet: whoever connects says so.
    const commands = waiting.map(({ item, command }) => ({ id: item.sort, expiresAt: command.expiresAt }));
    this.#queues.set(device, { ...emptyQueue(false), waiting: commands, nextAt: this.#ports.clock.now() });
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const device of [...this.#queues.keys()]) this.#handle(device, { type: 'tick' });
      await this.#ports.clock.sleep(TICK_MS, signal);
    }
  }

  #handle(device: string, event: QueueEvent): void {
    if (this.#stopping.signal.aborted) return;
    const before = this.#queues.get(device) ?? emptyQueue(this.#listening.has(device));
    const random = this.#ports.random(1)[0]! / 256;
    const { state, effects } = transition(before, event, { now: this.#ports.clock.now(), random });
    if (state.waiting.length === 0 && !state.sending) this.#queues.delete(device);
    else this.#queues.set(device, state);
    for (const effect of effects) this.#carryOut(device, effect);
  }

  #carryOut(device: string, effect: QueueEffect): void {
    if (effect.type === 'expire') this.#background(() => this.#expire(device, effect.ids));
    else {
      this.#background(async () => {
        const ok = await this.#send(device, effect.ids);
        this.#handle(device, { type: 'sent', ok });
      });
    }
  }

  #background(work: () => Promise<unknown>): void {
    this.#rounds.push(work);
    this.#runNext();
  }

  #runNext(): void {
    if (this.#running.size >= ROUNDS_MAX) return;
    const work = this.#rounds.shift();
    if (work === undefined) return;
    const running = work()
      .catch((error: Error) => this.#ports.logger.warn({ error: error.message }, 'a command could not be looked after'))
      .finally(() => {
        this.#running.delete(running);
        this.#runNext();
      });
    this.#running.add(running);
  }

  /** @returns whether the downlink took them all */
  async #send(device: string, ids: readonly string[]): Promise<boolean> {
    const { store, clock, logger } = this.#ports;
    try {
      let after: string | undefined;
      for (const id of ids) {
        if (this.#stopping.signal.aborted) return false;
        const item = await store.get(commandKey(device, id));
        const command = item?.json as StoredCommand | undefined;
        const expiresIn = (command?.expiresAt ?? 0) - clock.now();
        if (item === undefined || command?.state !== 'waiting' || expiresIn <= 0) continue;
        const message = { ...messageOf(item, command, expiresIn), ...(after !== undefined && { after }) };
        // Too large by the name of the one before it: it goes when that one has ended.
        if (after !== undefined && !isSendable(message)) break;
        if (await this.#publish(device, item, message)) after = id;
      }
      return true;
    } catch (error) {
      logger.warn({ device, error: (error as Error).message }, 'commands wait for the downlink');
      return false;
    }
  }

  /** @returns false when it has failed for good */
  async #publish(device: string, item: Item, message: CommandMessage): Promise<boolean> {
    const bytes = new TextEncoder().encode(encodeCommand(message));
    try {
      await this.#ports.downlink.publish(commandTopic(device), bytes, { qos: 1 });
      this.#counts.sent++;
      return true;
    } catch (error) {
      if (!(error instanceof DownlinkError) || error.retryable) throw error;
      this.#counts.refused++;
      await this.#end(device, item, 'failed', error.message.slice(0, 500));
      this.ended(device, item.sort);
      return false;
    }
  }

  async #expire(device: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const item = await this.#ports.store.get(commandKey(device, id));
      if ((item?.json as StoredCommand | undefined)?.state !== 'waiting') continue;
      if (!(await this.#end(device, item!, 'expired'))) continue;
      this.#counts.expired++;
      this.ended(device, id);
    }
  }

  /** @returns false when the device was quicker: what it says counts */
  async #end(device: string, item: Item, state: 'failed' | 'expired', detail?: string): Promise<boolean> {
    const { store, clock } = this.#ports;
    const json: StoredCommand = { ...(item.json as StoredCommand), state, endedAt: clock.now() };
    if (detail !== undefined) json.detail = detail;
    try {
      await store.write([{ put: commandKey(device, item.sort), json, ifVersion: item.version }]);
      return true;
    } catch (error) {
      if (error instanceof StoreError && error.code === 'conflict') return false;
      throw error;
    }
  }

  /** @returns what there was */
  async #trim(device: string): Promise<Awaited<ReturnType<typeof commandsOf>>> {
    const { store, clock } = this.#ports;
    this.#endings.delete(device);
    const all = await commandsOf(store, device);
    const ended = all.filter(({ command }) => command.state !== 'waiting');
    const old = clock.now() - ENDED_KEPT_MS;
    const surplus = ended.length - ENDED_KEPT;
    const gone = ended.filter(({ command }, at) => at < surplus || (command.endedAt ?? 0) < old);
    for (const { item } of gone) await store.write([{ remove: commandKey(device, item.sort) }]);
    return all;
  }
}

function messageOf({ sort: id }: Item, command: StoredCommand, expiresIn: number): CommandMessage {
  const { name, payload, function: fn } = command;
  return { id, name, payload, expiresIn, ...(fn !== undefined && { function: fn }) };
}

function isSendable(message: CommandMessage): boolean {
  try {
    encodeCommand(message);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
