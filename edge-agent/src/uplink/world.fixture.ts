/** An outbox, links and a hub around the machine: in memory, at the mercy of a test. It checks what always holds. */
import assert from 'node:assert/strict';
import { LANES, LANES_BY_URGENCY, type Lane } from '@weir/protocols';
import type { BatchRoom, Cursors, UplinkBatch } from '../outbox/batches.ts';
import { transition } from './machine.ts';
import { batchBytesOf } from './pace.ts';
import {
  initialUplink,
  isUp,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './state.ts';

export const LIMITS: UplinkLimits = {
  windowBatches: 6,
  backfillBatches: 2,
  reportBatches: 2,
  batchBytesMin: 100,
  batchBytesMax: 1_000,
  backfillPerSecond: undefined,
  gather: 0,
  ackTarget: 500,
  ackTimeoutMin: 5_000,
  ackTimeoutMax: 60_000,
  openTimeout: 30_000,
  backoffBase: 500,
  backoffCap: 30_000,
};

const ITEM_BYTES = 40;
/** As README.md has it. */
const FRESH_MS = 10_000;
const REST_TIMES = 4;
const REST_MS_MAX = 25;

type Effect<T extends UplinkEffect['type']> = Extract<UplinkEffect, { type: T }>;
const perLane = <T>(make: () => T) => Object.fromEntries(LANES.map((lane) => [lane, make()])) as Record<Lane, T>;

export class World {
  readonly limits: UplinkLimits;
  now = 1_000_000;
  state: UplinkState;
  /** Items numbered, and items that the hub has acknowledged to the outbox. */
  readonly next = perLane(() => 0);
  readonly acked = perLane(() => 0);
  readonly received = perLane(() => new Set<number>());
  /** Handed out on this connection, up to here. */
  #handedOut = perLane(() => 0);
  /** Questions that the outbox has not answered. */
  readonly loads: Effect<'load'>[] = [];
  /** Batches that have not reached the hub. */
  sent: Effect<'send'>[] = [];
  /** Waits that are not over. */
  readonly waits: number[] = [];
  readonly allWaits: number[] = [];
  readonly links = new Map<number, 'opening' | 'open'>();
  /** The budget of the day is spent until then. */
  heldUntil: number | undefined;
  /** The hub wants nothing more of the backlog until then. */
  backlogWaitsUntil = 0;
  /** When the outbox was asked last. */
  #askedAt = 0;
  /** When a look found fresh readings last. */
  #freshAt = Number.NEGATIVE_INFINITY;
  /** Nothing of the backlog is to be looked for until then. */
  #restsUntil = 0;
  /** The last look found something, and nothing of the backlog. */
  #wasLeftOut = false;
  /** When the machine wants to be asked once more. */
  #remindAt = 0;
  /** Batches that carried readings of the backlog: when, and how many. */
  readonly backfilled: { at: number; count: number }[] = [];
  /** Told of each transition. */
  onTransition: (before: UplinkState, event: UplinkEvent, after: UplinkState, effects: UplinkEffect[]) => void =
    () => {};

  constructor(limits: Partial<UplinkLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
    this.state = initialUplink(this.now, this.limits);
  }

  handle(event: UplinkEvent, random = 0.5): void {
    const before = this.state;
    const { state, effects } = transition(before, event, { now: this.now, random }, this.limits);
    this.state = state;
    if (state.connection !== before.connection || !isUp(state)) {
      this.#handedOut = perLane(() => 0);
      this.backlogWaitsUntil = 0;
    }
    for (const effect of effects) this.#carryOut(effect);
    this.onTransition(before, event, state, effects);
    this.#check();
  }

  add(lane: Lane, items: number): void {
    this.next[lane] += items;
    this.handle({ type: 'changed' });
  }

  /** The outbox answers a question, as it is now. */
  answer(canBeRead = true): void {
    const load = this.loads.shift();
    if (load === undefined) return;
    const { connection } = load;
    const isHeld = this.heldUntil !== undefined && this.now < this.heldUntil;
    const room = isHeld ? { ...load.room, readings: 0 } : load.room;
    const heldUntil = isHeld ? this.heldUntil : undefined;
    const batches = canBeRead ? this.#cut(load.cursors, room) : undefined;
    if (batches !== undefined && isUp(this.state) && connection === this.state.connection) this.#look(batches);
    this.handle({ type: 'loaded', connection, batches, heldUntil });
  }

  /** The outbox takes its time. */
  answerAfter(ms: number): void {
    this.now += ms;
    this.answer();
  }

  #look(batches: readonly UplinkBatch[]): void {
    const { now, limits } = this;
    const has = (wanted: Lane) => batches.some(({ lane }) => lane === wanted);
    const isBacklog = has('backfill');
    if (isBacklog && batches.some(({ lane }) => lane !== 'backfill')) assert(this.#wasLeftOut, 'fresh-goes-ahead');
    this.#wasLeftOut = batches.length > 0 && !isBacklog;
    if (has('live') && limits.gather === 0) this.#freshAt = now;
    const tookMs = now - this.#askedAt;
    if (isBacklog && now - this.#freshAt < FRESH_MS) {
      this.#restsUntil = now + Math.min(REST_MS_MAX, tookMs * REST_TIMES);
    }
  }

  /** The hub takes a batch, in whatever order; its acknowledgement may get lost with the connection. */
  receive(at: number, isAckLost: boolean): void {
    if (this.sent.length === 0) return;
    const [effect] = this.sent.splice(at % this.sent.length, 1);
    const { connection, number, batch } = effect!;
    for (let item = batch.seq; item < batch.seq + batch.count; item++) this.received[batch.lane].add(item);
    if (isAckLost) this.lose(connection);
    else this.handle({ type: 'acked', connection, number });
  }

  opened(at = 0): void {
    const opening = [...this.links].filter(([, how]) => how === 'opening').map(([connection]) => connection);
    if (opening.length === 0) return;
    const connection = opening[at % opening.length]!;
    this.links.set(connection, 'open');
    this.handle({ type: 'opened', connection });
  }

  lose(connection: number): void {
    if (!this.links.delete(connection)) return;
    this.#forget(connection);
    this.handle({ type: 'closed', connection, reason: 'lost' });
  }

  retry(random?: number): void {
    if (this.waits.shift() !== undefined) this.handle({ type: 'retry' }, random);
  }

  paced(backlogWaitMs: number, backlogItems?: number): void {
    if (isUp(this.state)) this.backlogWaitsUntil = this.now + backlogWaitMs;
    this.handle({ type: 'paced', backlogWaitMs, ...(backlogItems !== undefined && { backlogItems }) });
  }

  tick(ms = 1_000): void {
    this.now += ms;
    this.handle({ type: 'tick' });
  }

  /** Lets everything that can happen happen, without faults. */
  settle(): void {
    this.heldUntil = undefined;
    for (let step = 0; step < 20_000; step++) {
      if (this.waits.length > 0) this.retry();
      else if ([...this.links.values()].includes('opening')) this.opened();
      else if (this.loads.length > 0) this.answerAfter(1);
      else if (this.sent.length > 0) this.receive(0, false);
      else if (this.state.again !== undefined) this.tick(Math.max(1, this.state.again - this.now));
      else return;
    }
    throw new Error('the machine never comes to rest');
  }

  #carryOut(effect: UplinkEffect): void {
    switch (effect.type) {
      case 'open':
        assert(!this.links.has(effect.connection), 'a number of a connection was used twice');
        this.links.set(effect.connection, 'opening');
        break;
      case 'close':
        assert(this.links.delete(effect.connection), 'a connection was closed that is not there');
        this.#forget(effect.connection);
        break;
      case 'wait':
        this.waits.push(effect.ms);
        this.allWaits.push(effect.ms);
        break;
      case 'remind':
        this.#remindAt = this.now + effect.ms;
        break;
      case 'load':
        assert(effect.room.backfill === 0 || this.now >= this.backlogWaitsUntil, 'backlog-waits');
        assert(effect.room.backfill === 0 || this.now >= this.#restsUntil, 'backlog-rests');
        this.#askedAt = this.now;
        this.loads.push(effect);
        break;
      case 'send':
        this.#send(effect);
        break;
      case 'acknowledge':
        for (let item = this.acked[effect.lane]; item < effect.through; item++) {
          assert(this.received[effect.lane].has(item), 'prefixes-only');
        }
        this.acked[effect.lane] = Math.max(this.acked[effect.lane], effect.through);
    }
  }

  #send(effect: Effect<'send'>): void {
    const { lane, seq, count } = effect.batch;
    assert.equal(this.links.get(effect.connection), 'open', 'something was sent on a connection that is not open');
    assert(seq >= this.#handedOut[lane], 'sent-once-per-connection');
    this.#handedOut[lane] = seq + count;
    this.sent.push(effect);
    if (lane === 'backfill') this.backfilled.push({ at: this.now, count });
  }

  #forget(connection: number): void {
    this.sent = this.sent.filter((effect) => effect.connection !== connection);
  }

  #cut(cursors: Cursors, room: BatchRoom): UplinkBatch[] {
    const batches: UplinkBatch[] = [];
    let { others, readings, backfillItems = Number.POSITIVE_INFINITY } = room;
    for (const lane of LANES_BY_URGENCY) {
      let seq = Math.max(cursors[lane], this.acked[lane]);
      const ofLane = {
        alert: room.total,
        live: room.withoutLive ? 0 : Math.min(others, readings),
        report: Math.min(others, room.report),
        backfill: room.backfillAlone && batches.length > 0 ? 0 : Math.min(others, readings, room.backfill),
      }[lane];
      let slots = Math.min(ofLane, room.total - batches.length);
      for (; slots > 0 && seq < this.next[lane]; slots--) {
        const fitting = Math.max(1, Math.floor(room.batchBytes! / ITEM_BYTES));
        const most = lane === 'backfill' ? Math.min(fitting, backfillItems) : fitting;
        const count = Math.min(most, this.next[lane] - seq);
        if (count <= 0) break;
        batches.push({ lane, seq, count, payload: new Uint8Array(count * ITEM_BYTES) });
        seq += count;
        if (lane !== 'alert') others--;
        if (lane === 'live' || lane === 'backfill') readings--;
        if (lane === 'backfill') backfillItems -= count;
      }
    }
    return batches;
  }

  /** The invariants of README.md, by their names there. */
  #check(): void {
    const { limits, state, links } = this;
    const { window, pace, phase } = state;
    const waiting = (...lanes: Lane[]) => window.filter(({ lane }) => lanes.includes(lane)).length;
    assert(window.length <= limits.windowBatches, 'window-bounded');
    assert(waiting('backfill') <= limits.backfillBatches, 'window-bounded');
    assert(waiting('report') <= limits.reportBatches, 'window-bounded');
    assert(waiting('live', 'backfill', 'report') < limits.windowBatches, 'place-for-an-alert');
    assert(waiting('live', 'backfill') < limits.windowBatches - 1, 'place-for-a-report');
    assert(pace.windowBytes <= limits.windowBatches * limits.batchBytesMax, 'bytes-bounded');
    assert(batchBytesOf(pace, limits) <= limits.batchBytesMax, 'bytes-bounded');
    assert(this.loads.length <= 1, 'one-question');
    if (this.#restsUntil > this.now) assert.equal(this.#remindAt, this.#restsUntil, 'backlog-rests');
    if (!isUp(state)) assert.deepEqual([window, this.sent], [[], []], 'nothing-in-flight-when-down');
    assert.equal(this.waits.length, phase === 'waiting' ? 1 : 0, 'never-gives-up');
    const expected = {
      stopped: [],
      waiting: [],
      opening: [state.connection],
      open: [state.connection],
      changing: [state.connection, state.successor],
    }[phase];
    assert.deepEqual([...links.keys()], expected, 'no-connection-forgotten');
  }
}

/** That is connected. */
export function openWorld(limits: Partial<UplinkLimits> = {}): World {
  const world = new World(limits);
  world.handle({ type: 'start' });
  world.opened();
  return world;
}

export function answerAll(world: World): void {
  while (world.loads.length > 0) world.answer();
}
