/** Carries out what the machine decides: opens links, reads the outbox, sends, acknowledges. */
import { uplinkTopic } from '@weir/protocols';
import { type Clock, every } from '../clock/clock.ts';
import type { Spool } from '../spool/spool.ts';
import type { Link, OpenLink } from './link.ts';
import {
  initialUplink,
  transition,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './machine.ts';

export interface UplinkPorts {
  spool: Spool;
  clock: Clock;
  /** 0 to 1 */
  random: () => number;
  openLink: OpenLink;
  onOpen: () => void;
  onMessage: (topic: string, payload: Uint8Array) => void;
  log: (level: 'info' | 'warn', message: string) => void;
}

const TICK_MS = 1_000;

export class Uplink {
  #device: string;
  #ports: UplinkPorts;
  #limits: UplinkLimits;
  #subscriptions: readonly string[];
  #state: UplinkState;
  #link: Link | undefined;
  #cancelRetry = () => {};
  #stopTicks = () => {};

  constructor(device: string, subscriptions: readonly string[], ports: UplinkPorts, limits: UplinkLimits) {
    this.#device = device;
    this.#subscriptions = subscriptions;
    this.#ports = ports;
    this.#limits = limits;
    this.#state = initialUplink(ports.clock.now());
  }

  get state(): UplinkState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state.phase === 'open';
  }

  start(): void {
    this.#stopTicks = every(this.#ports.clock, TICK_MS, () => this.#handle({ type: 'tick' }));
    this.#handle({ type: 'start' });
  }

  stop(): void {
    this.#stopTicks();
    this.#cancelRetry();
    this.#handle({ type: 'stop' });
  }

  /** Something entered the outbox. */
  changed(): void {
    this.#handle({ type: 'changed' });
  }

  /** A message beside the lanes; lost when there is no connection, or it ends. */
  async publish(topic: string, payload: string): Promise<void> {
    if (this.#link === undefined || !this.isOpen) throw new Error('the uplink is down');
    await this.#link.publish(topic, Buffer.from(payload));
  }

  #handle(event: UplinkEvent): void {
    const { clock, random, log } = this.#ports;
    const before = this.#state;
    const { state, effects } = transition(before, event, { now: clock.now(), random: random() }, this.#limits);
    this.#state = state;
    if (state.phase === 'open' && before.phase !== 'open') log('info', 'the uplink is up');
    if (state.phase === 'waiting' && before.phase === 'open') log('warn', `the uplink is down: ${state.reason}`);
    for (const effect of effects) this.#carryOut(effect);
    if (state.phase === 'open' && before.phase !== 'open') this.#ports.onOpen();
  }

  #carryOut(effect: UplinkEffect): void {
    switch (effect.type) {
      case 'open':
        this.#open();
        return;
      case 'close':
        this.#link?.close();
        this.#link = undefined;
        return;
      case 'wait':
        this.#link = undefined;
        this.#cancelRetry = this.#ports.clock.after(effect.ms, () => this.#handle({ type: 'retry' }));
        return;
      case 'load':
        void this.#load(effect);
        return;
      case 'send':
        void this.#send(effect);
        return;
      case 'acknowledge':
        // Not kept on the card: it is sent again, and dropped by the hub.
        this.#ports.spool.call('acknowledge', effect.lane, effect.through).catch(() => {});
        return;
    }
  }

  #open(): void {
    const connection = this.#state.connection;
    const current = (run: () => void) => {
      if (this.#state.connection === connection) run();
    };
    this.#link = this.#ports.openLink(this.#subscriptions, {
      onOpen: () => current(() => this.#handle({ type: 'opened' })),
      onMessage: (topic, payload) => current(() => this.#ports.onMessage(topic, payload)),
      onClosed: (reason) => current(() => this.#handle({ type: 'closed', reason })),
    });
  }

  async #load({ connection, cursors, room }: Extract<UplinkEffect, { type: 'load' }>): Promise<void> {
    const batches = await this.#ports.spool
      .call('nextBatches', cursors, room, this.#ports.clock.now())
      .catch((error: Error) => {
        this.#ports.log('warn', `the outbox cannot be read: ${error.message}`);
        return [];
      });
    this.#handle({ type: 'loaded', connection, batches });
  }

  async #send({ connection, number, batch }: Extract<UplinkEffect, { type: 'send' }>): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    try {
      await link.publish(uplinkTopic(this.#device, batch.lane), batch.payload);
      this.#handle({ type: 'acked', connection, number });
    } catch {
      // The connection has ended; `onClosed` tells why.
    }
  }
}
