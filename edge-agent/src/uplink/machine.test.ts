import { LANES, LANES_BY_URGENCY, type Lane } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BatchRoom, Cursors, UplinkBatch } from '../outbox/batches.ts';
import {
  backoffMs,
  initialUplink,
  transition,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './machine.ts';

const LIMITS: UplinkLimits = {
  windowBatches: 6,
  backfillBatches: 2,
  reportBatches: 2,
  ackTimeout: 20_000,
  backoffBase: 500,
  backoffCap: 30_000,
};

/** An outbox and a hub around the machine: in memory, at the mercy of the commands of a test. */
class World {
  now = 1_700_000_000_000;
  state: UplinkState = initialUplink(this.now);
  /** Items numbered, and items that the hub has acknowledged to the outbox. */
  next: Record<Lane, number> = { alert: 0, live: 0, report: 0, backfill: 0 };
  acked: Record<Lane, number> = { alert: 0, live: 0, report: 0, backfill: 0 };
  received: Record<Lane, Set<number>> = { alert: new Set(), live: new Set(), report: new Set(), backfill: new Set() };
  loads: Extract<UplinkEffect, { type: 'load' }>[] = [];
  sent: Extract<UplinkEffect, { type: 'send' }>[] = [];
  waits: number[] = [];
  link: 'none' | 'opening' | 'open' = 'none';

  handle(event: UplinkEvent, random = 0.5): void {
    const { state, effects } = transition(this.state, event, { now: this.now, random }, LIMITS);
    this.state = state;
    for (const effect of effects) this.#carryOut(effect);
    this.#check();
  }

  add(lane: Lane, items: number): void {
    this.next[lane] += items;
    this.handle({ type: 'changed' });
  }

  /** The outbox answers a question, as it is now. */
  answer(): void {
    const load = this.loads.shift();
    if (load === undefined) return;
    const batches = this.#cut(load.cursors, load.room);
    this.handle({ type: 'loaded', connection: load.connection, batches });
  }

  /** The hub takes a batch; its acknowledgement may get lost with the connection. */
  receive(at: number, isAckLost: boolean): void {
    if (this.link !== 'open' || this.sent.length === 0) return;
    const [effect] = this.sent.splice(at % this.sent.length, 1);
    const { connection, number, batch } = effect!;
    for (let item = batch.seq; item < batch.seq + batch.count; item++) this.received[batch.lane].add(item);
    if (isAckLost) this.lose();
    else this.handle({ type: 'acked', connection, number });
  }

  lose(): void {
    this.link = 'none';
    this.sent = [];
    this.handle({ type: 'closed', reason: 'lost' });
  }

  /** Lets everything that can happen happen, without faults. */
  settle(): void {
    for (let step = 0; step < 10_000; step++) {
      if (this.state.phase === 'waiting') this.handle({ type: 'retry' });
      else if (this.link === 'opening') this.opened();
      else if (this.loads.length > 0) this.answer();
      else if (this.sent.length > 0) this.receive(0, false);
      else return;
    }
    throw new Error('the machine never comes to rest');
  }

  opened(): void {
    if (this.link !== 'opening') return;
    this.link = 'open';
    this.handle({ type: 'opened' });
  }

  #carryOut(effect: UplinkEffect): void {
    switch (effect.type) {
      case 'open':
        this.link = 'opening';
        break;
      case 'close':
        this.link = 'none';
        this.sent = [];
        break;
      case 'wait':
        this.waits.push(effect.ms);
        break;
      case 'load':
        this.loads.push(effect);
        break;
      case 'send':
        this.sent.push(effect);
        break;
      case 'acknowledge':
        for (let item = this.acked[effect.lane]; item < effect.through; item++) {
          expect(this.received[effect.lane].has(item), `${effect.lane} ${item} left the outbox unreceived`).toBe(true);
        }
        this.acked[effect.lane] = Math.max(this.acked[effect.lane], effect.through);
    }
  }

  #cut(cursors: Cursors, room: BatchRoom): UplinkBatch[] {
    const batches: UplinkBatch[] = [];
    let { others, readings } = room;
    for (const lane of LANES_BY_URGENCY) {
      let seq = Math.max(cursors[lane], this.acked[lane]);
      const ofLane = {
        alert: room.total,
        live: Math.min(others, readings),
        report: Math.min(others, room.report),
        backfill: Math.min(others, readings, room.backfill),
      }[lane];
      let slots = Math.min(ofLane, room.total - batches.length);
      for (; slots > 0 && seq < this.next[lane]; slots--) {
        const count = Math.min(3, this.next[lane] - seq);
        batches.push({ lane, seq, count, payload: new Uint8Array() });
        seq += count;
        if (lane !== 'alert') others--;
        if (lane === 'live' || lane === 'backfill') readings--;
      }
    }
    return batches;
  }

  #check(): void {
    const { window } = this.state;
    expect(window.length).toBeLessThanOrEqual(LIMITS.windowBatches);
    const waiting = (...lanes: Lane[]) => window.filter(({ lane }) => lanes.includes(lane)).length;
    expect(waiting('backfill')).toBeLessThanOrEqual(LIMITS.backfillBatches);
    expect(waiting('report')).toBeLessThanOrEqual(LIMITS.reportBatches);
    expect(waiting('live', 'backfill', 'report')).toBeLessThan(LIMITS.windowBatches);
    expect(waiting('live', 'backfill')).toBeLessThan(LIMITS.windowBatches - 1);
    if (this.state.phase !== 'open') expect(window).toEqual([]);
  }
}

type Command = (world: World) => void;

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(fc.constantFrom(...LANES), fc.integer({ min: 1, max: 10 })).map(
    ([lane, items]): Command =>
      (world) =>
        world.add(lane, items),
  ),
  fc.constant<Command>((world) => world.answer()),
  fc.constant<Command>((world) => world.opened()),
  fc.tuple(fc.nat(10), fc.boolean()).map(
    ([at, isAckLost]): Command =>
      (world) =>
        world.receive(at, isAckLost),
  ),
  fc.constant<Command>((world) => world.lose()),
  fc.constant<Command>((world) => world.state.phase === 'waiting' && world.handle({ type: 'retry' })),
  fc.integer({ min: 1, max: 30_000 }).map(
    (ms): Command =>
      (world) => {
        world.now += ms;
        world.handle({ type: 'tick' });
      },
  ),
);

test('whatever is lost, and in whatever order answers come, every item arrives and leaves the outbox only then', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const world = new World();
      world.handle({ type: 'start' });
      for (const run of commands) run(world);
      world.settle();
      expect(world.state.phase).toBe('open');
      expect(world.acked).toEqual(world.next);
      for (const lane of LANES) expect(world.received[lane].size).toBe(world.next[lane]);
    }),
    { numRuns: 500 },
  );
});

describe('an uplink', () => {
  function openWorld(): World {
    const world = new World();
    world.handle({ type: 'start' });
    world.opened();
    return world;
  }

  test('keeps a place for an alert, and one for a report, however long the backlog is', () => {
    const world = openWorld();
    world.add('backfill', 1_000);
    world.add('live', 1_000);
    while (world.loads.length > 0) world.answer();
    expect(world.state.window.length).toBe(LIMITS.windowBatches - 2);
    for (const lane of ['report', 'alert'] as const) {
      world.add(lane, 1);
      while (world.loads.length > 0) world.answer();
      expect(world.sent.at(-1)!.batch.lane).toBe(lane);
    }
  });

  test('lets reports pass while readings never end and alerts come, and readings while reports never end', () => {
    const world = openWorld();
    const delivered = (lane: Lane) => world.received[lane].size;
    world.add('report', 30);
    for (let round = 0; round < 200; round++) {
      world.add('live', 30);
      if (round % 4 === 0) world.add('alert', 3);
      while (world.loads.length > 0) world.answer();
      world.receive(round, false);
    }
    expect(delivered('report')).toBe(30);
    const before = delivered('live');
    for (let round = 0; round < 200; round++) {
      world.add('report', 30);
      while (world.loads.length > 0) world.answer();
      world.receive(round, false);
    }
    expect(delivered('live') - before).toBeGreaterThan(200);
  });

  test('takes a line without acknowledgements for dead, whatever TCP says', () => {
    const world = openWorld();
    world.add('live', 1);
    world.answer();
    world.answer();
    world.now += LIMITS.ackTimeout + 1;
    world.handle({ type: 'tick' });
    expect(world.state).toMatchObject({ phase: 'waiting', reason: 'the hub did not acknowledge in time' });
    expect(world.link).toBe('none');
  });

  test('does not take late news of an earlier connection for news of this one', () => {
    const world = openWorld();
    world.add('live', 1);
    world.answer();
    world.answer();
    const { connection, number } = world.sent[0]!;
    world.lose();
    world.handle({ type: 'retry' });
    world.opened();
    world.handle({ type: 'acked', connection, number });
    world.handle({ type: 'loaded', connection, batches: [] });
    expect(world.acked.live).toBe(0);
    world.settle();
    expect(world.acked.live).toBe(1);
  });

  test('waits longer after each failure, never past the cap, and starts anew after a good connection', () => {
    const world = new World();
    world.handle({ type: 'start' });
    for (let i = 0; i < 10; i++) {
      world.handle({ type: 'closed', reason: 'refused' }, 1);
      world.handle({ type: 'retry' });
    }
    expect(world.waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    world.opened();
    world.now += 10_000;
    world.handle({ type: 'closed', reason: 'lost' }, 1);
    expect(world.waits.at(-1)).toBe(500);
  });

  test('spreads its attempts over the whole span, so that a fleet does not come back at once', () => {
    expect([0, 0.25, 1].map((random) => backoffMs(3, random, LIMITS))).toEqual([0, 1_000, 4_000]);
    expect(backoffMs(10_000, 1, LIMITS)).toBe(30_000);
  });

  test('that is stopped does nothing any more', () => {
    const world = openWorld();
    world.handle({ type: 'stop' });
    for (const type of ['opened', 'retry', 'tick', 'changed'] as const) world.handle({ type });
    world.handle({ type: 'closed', reason: 'late' });
    expect(world.state.phase).toBe('stopped');
    expect(world.link).toBe('none');
  });
});
