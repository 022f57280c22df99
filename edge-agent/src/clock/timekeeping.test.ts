import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isPossible,
  type KeptTime,
  keptOf,
  startTime,
  type TimeEvent,
  type TimeState,
  timeTransition,
} from './timekeeping.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const NOW = Date.UTC(2026, 10, 28, 12);
const LIMITS = { aheadMax: 10 * YEAR, stepHold: 60_000 };
/** Monotonic, as a test begins. */
const UP = 20_000;

const kept = (at: number, changes: Partial<KeptTime> = {}): KeptTime => ({
  boot: 'before',
  certainty: 'synchronised',
  source: 'hub',
  offset: at,
  unknownSince: undefined,
  at,
  ...changes,
});

class Device {
  monotonic = UP;
  wall: number;
  state: TimeState;
  shifts: number[] = [];

  constructor(wall: number, before: KeptTime | undefined = kept(NOW - HOUR), boot = 'now') {
    this.wall = wall;
    this.state = startTime(before, boot, this, LIMITS);
  }

  get now(): number {
    return this.monotonic + this.state.offset;
  }

  pass(ms: number): this {
    this.monotonic += ms;
    this.wall += ms;
    return this;
  }

  look(disciplined?: boolean): this {
    return this.#handle({ type: 'look', monotonic: this.monotonic, wall: this.wall, disciplined });
  }

  hear(hubNow: number, width = 0): this {
    const offset = hubNow - this.monotonic;
    return this.#handle({ type: 'hub', bounds: { min: offset - width, max: offset + width, at: this.monotonic } });
  }

  #handle(event: TimeEvent): this {
    const { state, change } = timeTransition(this.state, event, LIMITS);
    this.state = state;
    if (change?.restamp) this.shifts.push(change.shift);
    return this;
  }
}

test.each([
  ['1970', 0, 'unsynchronised', NOW - HOUR],
  ['2100', Date.UTC(2100, 0, 1), 'unsynchronised', NOW - HOUR],
  ['2099, further ahead than any device lies in a store', Date.UTC(2099, 0, 1), 'unsynchronised', NOW - HOUR],
  ['an hour before the last time that was known', NOW - 2 * HOUR, 'unsynchronised', NOW - HOUR],
  ['now', NOW, 'assumed', NOW],
  ['a year later', NOW + YEAR, 'assumed', NOW + YEAR],
])('a machine whose clock begins in %s: %#', (_name, wall, certainty, now) => {
  const device = new Device(wall);
  expect([device.state.certainty, device.now]).toEqual([certainty, now]);
  expect(device.pass(5_000).now).toBe(now + 5_000);
});

test('a new device whose clock begins in 1970 begins no earlier than the agent was written', () => {
  expect(isPossible(new Device(0, undefined).now)).toBe(true);
});

describe('until time is known', () => {
  test('a wall clock that is thrown about throws nothing', () => {
    const device = new Device(0).pass(1_000);
    for (const wall of [Date.UTC(2100, 0, 1), 0, NOW - 2 * HOUR, 4e12, 1]) {
      device.wall = wall;
      device.look().pass(1_000).look(false);
    }
    expect(device.now).toBe(NOW - HOUR + 6_000);
    expect(device.shifts).toEqual([]);
  });

  test('one that comes to its senses, and stays, is believed until something better is heard', () => {
    const device = new Device(0).look();
    device.wall = NOW;
    device.look();
    expect(device.state.certainty).toBe('unsynchronised');
    device.pass(60_000).look();
    expect([device.state.certainty, device.now]).toEqual(['assumed', NOW + 60_000]);
    expect(device.shifts).toEqual([HOUR]);
    device.hear(NOW + 61_000 + 5_000);
    expect(device.shifts).toEqual([HOUR, 6_000]);
  });

  test('one that says something else each time is not', () => {
    const device = new Device(0).look();
    for (let i = 0; i < 10; i++) {
      device.wall = NOW + i * HOUR;
      device.pass(50_000).look();
    }
    expect(device.state.certainty).toBe('unsynchronised');
  });

  test('the word of NTP and that of the hub settle it at once', () => {
    for (const settle of [(d: Device) => d.look(true), (d: Device) => d.hear(NOW)]) {
      const device = new Device(NOW - 30 * 60_000);
      device.wall = NOW;
      settle(device);
      expect([device.state.certainty, device.now]).toEqual(['synchronised', NOW]);
      expect(device.shifts).toEqual([30 * 60_000]);
    }
  });

  test.each([0, Date.UTC(2100, 0, 1), 9e15])('neither is believed that says %i', (wrong) => {
    const device = new Device(0);
    device.wall = wrong;
    device.look(true).hear(wrong);
    expect(device.state.certainty).toBe('unsynchronised');
  });
});

describe('once it is known', () => {
  const known = () => new Device(NOW).look(true);

  test.each([-YEAR, YEAR, -NOW, Date.UTC(2100, 0, 1) - NOW])(
    'a wall clock that is set %i ms off is not followed',
    (off) => {
      const device = known();
      device.wall += off;
      for (let i = 0; i < 100; i++) device.pass(HOUR).look(false);
      expect(device.now).toBe(NOW + 100 * HOUR);
    },
  );

  test('a step that NTP or the hub stands by is taken over, and what was told before stays', () => {
    const device = known();
    device.wall += HOUR;
    expect(device.look(false).now).toBe(NOW);
    expect(device.look(true).now).toBe(NOW + HOUR);
    device.wall -= HOUR;
    expect(device.look(false).hear(NOW + 2 * HOUR).now).toBe(NOW + 2 * HOUR);
    expect(device.shifts.slice(1)).toEqual([]);
  });

  test('little steps of NTP are followed, and a hub that is a little off changes nothing', () => {
    const device = known();
    device.wall += 300;
    expect(device.look().now).toBe(NOW + 300);
    expect(device.hear(NOW + 60_000).now).toBe(NOW + 300);
  });

  test('it outlives the agent, not the boot', () => {
    const device = new Device(0).hear(NOW);
    const again = new Device(1_000_000, keptOf(device.state, device.monotonic), 'now');
    again.pass(HOUR);
    expect([again.state.certainty, again.now]).toEqual(['synchronised', NOW + HOUR]);
    const rebooted = new Device(0, keptOf(again.state, again.monotonic), 'next');
    expect([rebooted.state.certainty, rebooted.now]).toEqual(['unsynchronised', NOW + HOUR]);
  });
});

test('whatever the wall clock does: time goes on, and moves by nothing but somebody’s word', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 100_000 }),
    off: fc.constantFrom(0, 0, 0, 400, HOUR, -HOUR, YEAR, -YEAR, -NOW),
  });
  fc.assert(
    fc.property(fc.constantFrom(0, NOW, NOW + YEAR, 4.2e12), fc.array(step, { maxLength: 60 }), (wall, steps) => {
      const device = new Device(wall);
      for (const { ms, off } of steps) {
        const before = device.now;
        const { offset } = device.state;
        device.wall += off;
        device.pass(ms).look();
        if (device.state.offset === offset) expect(device.now).toBe(before + ms);
        else expect(device.state.certainty).toBe('assumed');
        expect(isPossible(device.now)).toBe(true);
      }
      device.hear(NOW + 50 * YEAR);
      expect(device.now).toBe(NOW + 50 * YEAR);
    }),
  );
});
