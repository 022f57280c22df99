import { expect, test, vi } from 'vitest';
import { AgentClock, type Learned } from './agent-clock.ts';
import { settled, TestClock } from './clock.fixture.ts';
import type { MachineClocks } from './machine-clocks.ts';
import type { KeptTime } from './timekeeping.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const NOW = Date.UTC(2026, 10, 28, 12);
const LIMITS = { aheadMax: 10 * YEAR, stepHold: 60_000, keep: 15 * 60_000 };

/** A machine whose wall clock a test sets; both go on with its timers. */
class Machine implements MachineClocks {
  boot = 'boot1';
  timers = new TestClock(20_000);
  disciplined: boolean | undefined;
  /** Wall less monotonic time. */
  offset: number;
  asked = 0;

  constructor(wall: number) {
    this.offset = wall - 20_000;
  }

  monotonic(): number {
    return this.timers.now();
  }

  moment() {
    return { monotonic: this.monotonic(), wall: this.monotonic() + this.offset };
  }

  async isDisciplined(): Promise<boolean | undefined> {
    this.asked++;
    return this.disciplined;
  }
}

const KEPT: KeptTime & { lastEra: number } = {
  boot: 'boot0',
  certainty: 'synchronised',
  source: 'hub',
  offset: 0,
  unknownSince: undefined,
  at: NOW - HOUR,
  lastEra: 4,
};

function start(wall: number, onLearned: (learned: Learned) => Promise<void> = async () => {}) {
  const machine = new Machine(wall);
  const clock = new AgentClock(machine, machine.timers, KEPT, LIMITS);
  const ports = { onLearned: vi.fn(onLearned), keep: vi.fn(), log: vi.fn() };
  clock.start(ports);
  return {
    machine,
    clock,
    ports,
    hear: (now: number) =>
      clock.learn({ min: now - clock.monotonic(), max: now - clock.monotonic(), at: clock.monotonic() }),
  };
}

test('what was stamped before is told of once time is known, with all that is needed to set it right', async () => {
  const { machine, clock, ports, hear } = start(0);
  await machine.timers.advance(10_000);
  expect(clock.now()).toBe(NOW - HOUR + 10_000);
  const { era } = clock.stamp();
  await hear(NOW);
  expect(ports.onLearned.mock.calls).toMatchObject([
    [{ boot: 'boot1', known: true, shift: HOUR - 10_000, from: NOW - HOUR, now: NOW, before: era, kept: { at: NOW } }],
  ]);
  expect(clock.stamp().era).toMatchObject({ id: era.id + 1, certainty: 'synchronised' });
  expect([clock.isKnown, clock.now()]).toEqual([true, NOW]);
});

test('it is kept as known no sooner than what was stamped is set right: a crash in between learns it anew', async () => {
  let done = () => {};
  const { machine, ports, hear } = start(0, () => new Promise((resolve) => (done = resolve)));
  ports.keep.mockClear();
  let isSettled = false;
  void hear(NOW).then(() => {
    isSettled = true;
  });
  await machine.timers.advance(LIMITS.keep * 2);
  expect([isSettled, ports.keep.mock.calls.length]).toEqual([false, 0]);
  done();
  await machine.timers.advance(LIMITS.keep);
  expect([isSettled, ports.keep.mock.calls.at(-1)![0].certainty]).toEqual([true, 'synchronised']);
});

test('what an agent that stops does not set right any more is not kept as known, and holds up nothing', async () => {
  const { machine, clock, ports, hear } = start(0, () => Promise.reject(new Error('the agent stops')));
  ports.keep.mockClear();
  await hear(NOW);
  await machine.timers.advance(LIMITS.keep * 2);
  expect(ports.keep).not.toHaveBeenCalled();
  await clock.stop();
});

test('time is never told backwards for a correction that is hardly one, and is for one that is', async () => {
  const { machine, clock, hear } = start(NOW);
  expect(clock.now()).toBe(NOW);
  await hear(NOW - 900);
  expect(clock.now()).toBe(NOW);
  await machine.timers.advance(600);
  expect(clock.now()).toBe(NOW);
  await machine.timers.advance(600);
  expect(clock.now()).toBe(NOW + 300);
  await hear(NOW - HOUR);
  expect(clock.now()).toBe(NOW - HOUR);
});

test('NTP is asked at once about a step, and now and then while time is not known', async () => {
  const { machine, clock } = start(NOW);
  await settled();
  expect(machine.asked).toBe(1);
  await machine.timers.advance(60_000);
  expect(machine.asked).toBe(2);
  machine.disciplined = true;
  await machine.timers.advance(60_000);
  expect(clock.isKnown).toBe(true);
  await machine.timers.advance(300_000);
  expect(machine.asked).toBe(3);
  machine.offset += HOUR;
  await machine.timers.advance(1_000);
  expect(machine.asked).toBe(4);
  expect(clock.now()).toBe(machine.moment().wall);
});

test('what is asked for its state says how far the machine and the hub are off', async () => {
  const { machine, clock, hear } = start(NOW);
  await hear(NOW + 5_000);
  expect(clock.status()).toEqual({ certainty: 'synchronised', source: 'hub', wallAheadMs: -5_000, hubAheadMs: 0 });
  machine.disciplined = true;
  machine.offset += 9_000;
  await machine.timers.advance(60_000);
  expect(clock.status()).toEqual({ certainty: 'synchronised', source: 'ntp', wallAheadMs: 0, hubAheadMs: 4_000 });
});
