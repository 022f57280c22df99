/** Carries out what the machine decides: opens links, reads the outbox, sends, acknowledges. */
import { type BacklogPace, uplinkTopic } from '@weir/protocols';
import { type Clock, every } from '../clock/clock.ts';
import type { Spool } from '../spool/spool.ts';
import { Delivered } from './delivered.ts';
import type { Link, OpenLink } from './link.ts';
import { transition } from './machine.ts';
import type { Meter } from './meter.ts';
import {
  initialUplink,
  isUp,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './state.ts';

export interface UplinkPorts {
  spool: Spool;
  clock: Clock;
  /** 0 to 1 */
  random: () => number;
  openLink: OpenLink;
  /** Of a line that is paid for by the byte. */
  meter?: Meter | undefined;
  onOpen: () => void;
  onMessage: (topic: string, payload: Uint8Array) => void;
  log: (level: 'info' | 'warn', message: string) => void;
}

const TICK_MS = 1_000;
/** A line that fails in ever other words, with the port of each attempt, say, fills no log. */
const FAULTS_TOLD_MAX = 20;

export class Uplink {
  #device: string;
  #ports: UplinkPorts;
  #limits: UplinkLimits;
  #subscriptions: readonly string[];
  #state: UplinkState;
  readonly #delivered: Delivered;
  /** By number of the connection. */
  readonly #links = new Map<number, Link>();
  /** Why attempts have failed since the uplink was up last. */
  readonly #faultsTold = new Set<string>();
  #cancelRetry = () => {};
  #cancelReminder = () => {};
  #stopTicks = () => {};

  constructor(device: string, subscriptions: readonly string[], ports: UplinkPorts, limits: UplinkLimits) {
    this.#device = device;
    this.#subscriptions = subscriptions;
    this.#ports = ports;
    this.#limits = limits;
    this.#state = initialUplink(ports.clock.monotonic(), limits);
    const { clock, spool } = ports;
    this.#delivered = new Delivered(clock, (lane, through) => spool.call('acknowledge', lane, through));
  }

  get state(): UplinkState {
    return this.#state;
  }

  get limits(): UplinkLimits {
    return this.#limits;
  }

  get isOpen(): boolean {
    return isUp(this.#state);
  }

  /** When it began to be up, or to be down, ms since epoch. */
  get since(): number {
    const { clock } = this.#ports;
    return clock.now() - (clock.monotonic() - this.#state.since);
  }

  start(): void {
    this.#stopTicks = every(this.#ports.clock, TICK_MS, () => this.#tick());
    this.#handle({ type: 'start' });
  }

  /** Resolves when what was delivered, and what the line has cost, is kept. */
  async stop(): Promise<void> {
    this.#stopTicks();
    this.#cancelRetry();
    this.#cancelReminder();
    this.#handle({ type: 'stop' });
    await this.#delivered.flush();
    await this.#ports.meter?.stop();
  }

  /** Something entered the outbox. */
  changed(): void {
    this.#handle({ type: 'changed' });
  }

  /** There are new credentials: a connection with them takes the place of this one. */
  renewed(): void {
    this.#handle({ type: 'renewed' });
  }

  /** The hub is behind with the backlog, or no longer. */
  paced(pace: BacklogPace): void {
    this.#handle({ type: 'paced', ...pace });
  }

  /** A message beside the lanes; lost when there is no connection, or it ends. */
  async publish(topic: string, payload: string): Promise<void> {
    const link = this.#links.get(this.#state.connection);
    if (link === undefined || !this.isOpen) throw new Error('the uplink is down');
    await link.publish(topic, Buffer.from(payload));
  }

  #handle(event: UplinkEvent): void {
    const { clock, random, log } = this.#ports;
    const before = this.#state;
    const around = { now: clock.monotonic(), random: random() };
    const { state, effects } = transition(before, event, around, this.#limits);
    this.#state = state;
    const isNew = isUp(state) && (!isUp(before) || state.connection !== before.connection);
    if (isNew) log('info', isUp(before) ? 'the uplink has changed over to new credentials' : 'the uplink is up');
    if (isNew) this.#faultsTold.clear();
    if (state.phase === 'waiting' && before.phase !== 'waiting') this.#tellFault(`${state.reason}`, isUp(before));
    for (const effect of effects) this.#carryOut(effect);
    if (isNew) this.#ports.onOpen();
  }

  #tellFault(reason: string, wasUp: boolean): void {
    const { log } = this.#ports;
    if (!wasUp && (this.#faultsTold.has(reason) || this.#faultsTold.size >= FAULTS_TOLD_MAX)) return;
    if (!wasUp) this.#faultsTold.add(reason);
    log('warn', `${wasUp ? 'the uplink is down' : 'the hub cannot be reached'}: ${reason}`);
  }

  #carryOut(effect: UplinkEffect): void {
    switch (effect.type) {
      case 'open':
        // Before the outbox is read for the new connection: what was delivered goes over no line twice.
        void this.#delivered.flush();
        this.#open(effect.connection);
        return;
      case 'close':
        this.#links.get(effect.connection)?.close();
        this.#forget(effect.connection);
        return;
      case 'wait':
        this.#cancelRetry = this.#ports.clock.after(effect.ms, () => this.#handle({ type: 'retry' }));
        return;
      case 'remind':
        this.#cancelReminder();
        // A timer may be a moment early by the clock.
        this.#cancelReminder = this.#ports.clock.after(effect.ms + 1, () => this.#handle({ type: 'tick' }));
        return;
      case 'load':
        void this.#load(effect);
        return;
      case 'send':
        void this.#send(effect);
        return;
      case 'acknowledge':
        this.#delivered.add(effect.lane, effect.through);
        return;
    }
  }

  #tick(): void {
    // What the card could not keep it may keep by now.
    void this.#delivered.flush();
    for (const connection of this.#links.keys()) this.#measure(connection);
    this.#ports.meter?.tick();
    this.#handle({ type: 'tick' });
  }

  #measure(connection: number): void {
    const bytes = this.#links.get(connection)?.wireBytes?.();
    if (bytes !== undefined) this.#ports.meter?.measure(connection, bytes);
  }

  #forget(connection: number): void {
    this.#measure(connection);
    this.#links.delete(connection);
    this.#ports.meter?.ended(connection);
  }

  #open(connection: number): void {
    let ended = false;
    const link = this.#ports.openLink(this.#subscriptions, {
      onOpen: () => this.#handle({ type: 'opened', connection }),
      onMessage: (topic, payload) => {
        if (this.#state.connection === connection) this.#ports.onMessage(topic, payload);
      },
      onClosed: (reason) => {
        ended = true;
        this.#forget(connection);
        this.#handle({ type: 'closed', connection, reason });
      },
    });
    if (!ended) this.#links.set(connection, link);
  }

  async #load({ connection, cursors, room }: Extract<UplinkEffect, { type: 'load' }>): Promise<void> {
    const { spool, clock, meter, log } = this.#ports;
    const look = async () => {
      const admitted = meter === undefined ? { room, heldUntil: undefined } : await meter.admit(room);
      const batches = await spool.call('nextBatches', cursors, admitted.room, clock.now());
      await meter?.handOut(connection, batches);
      return { batches, heldUntil: admitted.heldUntil };
    };
    const looked = await look().catch((error: Error) => {
      log('warn', `the outbox cannot be read: ${error.message}`);
      return { batches: undefined };
    });
    this.#handle({ type: 'loaded', connection, ...looked });
  }

  async #send({ connection, number, batch }: Extract<UplinkEffect, { type: 'send' }>): Promise<void> {
    const link = this.#links.get(connection);
    if (link === undefined) return;
    try {
      await link.publish(uplinkTopic(this.#device, batch.lane), batch.payload);
      this.#handle({ type: 'acked', connection, number });
    } catch {
      // The connection has ended; `onClosed` tells why.
    }
  }
}
