import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyQueue, type QueueEffect, type QueueEvent, RESEND_CAP_MS, resendDelayMs, transition } from './resend.ts';

const HOUR_MS = 3_600_000;

/** A downlink and a device around the machine, at the mercy of the commands of a test. */
class World {
  now = 1_700_000_000_000;
  state = emptyQueue(false);
  made = 0;
  round: string[] | undefined;
  /** The one that was published before in this round. */
  #before: string | undefined;
  /** Whether the device has subscribed; what is published to one that has not is gone. */
  subscribed = false;
  /** Published on this connection and not yet read by the device. */
  onWire: { id: string; after: string | undefined }[] = [];
  /** Ids that the device has taken, in order; and those whose answer is on its way. */
  taken: string[] = [];
  answers: string[] = [];
  ended = new Set<string>();
  expired: string[] = [];
  downlinkUp = true;
  #news: QueueEvent[] = [];

  handle(event: QueueEvent): void {
    const { state, effects } = transition(this.state, event, { now: this.now, random: 1 });
    this.state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  make(expiryMs = 24 * HOUR_MS): string {
    const id = `c${this.made++}`;
    this.handle({ type: 'made', commands: [{ id, expiresAt: this.now + expiryMs }] });
    return id;
  }

  /** The downlink takes the next of what it is given, or nothing more. */
  publish(): void {
    if (this.round === undefined) return;
    const id = this.round.shift()!;
    if (this.downlinkUp && this.subscribed) this.onWire.push({ id, after: this.#before });
    this.#before = id;
    if (this.downlinkUp && this.round.length > 0) return;
    this.round = undefined;
    this.handle({ type: 'sent', ok: this.downlinkUp });
  }

  /** Time passes while the device is away, and the hub knows it. */
  pass(): void {
    if (!this.subscribed && this.answers.length === 0 && this.#news.length === 0) this.wait(RESEND_CAP_MS);
  }

  /** The device reads one, takes what it does not know but nothing behind what has not come, and answers what it has. */
  read(): void {
    const { id, after } = this.onWire.shift() ?? {};
    if (id === undefined || (after !== undefined && !this.taken.includes(after))) return;
    if (!this.taken.includes(id)) this.taken.push(id);
    this.answers.push(id);
  }

  /** An answer reaches the hub; it comes by the lane of reports, which survives the connection. */
  answer(): void {
    const id = this.answers.shift();
    if (id === undefined) return;
    this.ended.add(id);
    this.handle({ type: 'ended', id });
  }

  subscribe(): void {
    if (this.subscribed) return;
    this.subscribed = true;
    this.#news.push({ type: 'listening' });
  }

  lose(): void {
    this.subscribed = false;
    this.onWire = [];
    this.#news.push({ type: 'gone' });
  }

  /** The hub learns of a subscription, or of its end. */
  tell(): void {
    const news = this.#news.shift();
    if (news !== undefined) this.handle(news);
  }

  wait(ms: number): void {
    this.now += ms;
    this.handle({ type: 'tick' });
  }

  /** Lets everything that can happen happen, without faults, and with time enough. */
  settle(): void {
    this.downlinkUp = true;
    this.subscribe();
    for (let step = 0; step < 10_000; step++) {
      this.tell();
      if (this.round !== undefined) this.publish();
      else if (this.onWire.length > 0) this.read();
      else if (this.answers.length > 0) this.answer();
      else if (this.state.waiting.length > 0) this.wait(1_000);
      else return;
    }
    throw new Error('the machine never comes to rest');
  }

  #carryOut(effect: QueueEffect): void {
    if (effect.type === 'expire') this.expired.push(...effect.ids);
    else {
      expect(this.round, 'one round at a time').toBeUndefined();
      expect(effect.ids.length).toBeGreaterThan(0);
      this.round = [...effect.ids];
      this.#before = undefined;
    }
  }
}

type Command = (world: World) => void;
const steps: Record<string, Command> = {
  make: (world) => world.make(),
  publish: (world) => world.publish(),
  read: (world) => world.read(),
  answer: (world) => world.answer(),
  subscribe: (world) => world.subscribe(),
  lose: (world) => world.lose(),
  tell: (world) => world.tell(),
  pass: (world) => world.pass(),
  breakDownlink: (world) => {
    world.downlinkUp = false;
  },
  mendDownlink: (world) => {
    world.downlinkUp = true;
  },
};
const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...Object.values(steps)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: HOUR_MS }).map(
      (ms): Command =>
        (world) =>
          world.wait(ms),
    ),
  },
);

describe('commands to a device', () => {
  test('all reach it, whatever is lost whenever, unless their time is over', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 120, size: 'max' }), (commands) => {
        const world = new World();
        for (const run of commands) run(world);
        world.settle();
        const all = Array.from({ length: world.made }, (_, n) => `c${n}`);
        const left = all.filter((id) => !world.ended.has(id));
        expect(left.filter((id) => !world.expired.includes(id))).toEqual([]);
        if (world.expired.length === 0) expect(new Set(world.taken)).toEqual(new Set(all));
      }),
      { numRuns: 300 },
    );
  });

  test('are taken in the order in which they were made, whatever is lost whenever, however late it answers', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 150, size: 'max' }), (commands) => {
        const world = new World();
        for (const run of commands) run(world);
        world.settle();
        const order = world.taken.map((id) => Number(id.slice(1)));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  test('go one by one; without an answer all go again, after 2 s, 4 s, 8 s and so on', () => {
    const world = new World();
    world.subscribe();
    world.tell();
    for (let n = 0; n < 3; n++) world.make();
    const rounds: [number, string[]][] = [];
    const start = world.now;
    for (let second = 0; second < 40; second++) {
      if (world.round !== undefined) rounds.push([(world.now - start) / 1000, [...world.round]]);
      while (world.round !== undefined) world.publish();
      world.wait(1_000);
    }
    expect(rounds).toEqual([
      [0, ['c0']],
      ...[2, 6, 14, 30].map((at) => [at, ['c0', 'c1', 'c2']] as [number, string[]]),
    ]);
  });

  test('to one that is away wait: only the first is tried, and at once when it has subscribed', () => {
    const world = new World();
    for (let n = 0; n < 3; n++) world.make();
    for (let second = 0; second < 3_000; second++) {
      if (world.round !== undefined) expect(world.round).toEqual(['c0']);
      world.publish();
      world.wait(1_000);
    }
    world.subscribe();
    world.tell();
    expect(world.round).toEqual(['c0']);
    world.settle();
    expect(world.taken).toEqual(['c0', 'c1', 'c2']);
  });

  test('that have expired are told so, and do not keep those behind them', () => {
    const world = new World();
    const short = world.make(5_000);
    const long = world.make();
    world.publish();
    world.wait(5_001);
    expect(world.expired).toEqual([short]);
    world.settle();
    expect(world.taken).toEqual([long]);
  });
});

test('the wait never passes its cap, and is spread over half of it', () => {
  expect([0, 1, 5, 100].map((attempts) => resendDelayMs(attempts, 1))).toEqual([2_000, 4_000, 64_000, RESEND_CAP_MS]);
  expect(resendDelayMs(100, 0)).toBe(RESEND_CAP_MS / 2);
});
