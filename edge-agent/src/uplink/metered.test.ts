/** The uplink on a line that is paid for by the byte, with a real outbox. */
import { expect, onTestFinished, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { alertOf, arrivalOf, numbered, openInMemory, reportOf, stepOf } from '../spool/spool.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import type { Budget } from './budget.ts';
import type { LinkEvents } from './link.ts';
import { Meter } from './meter.ts';
import { Uplink } from './uplink.ts';
import { LIMITS } from './world.fixture.ts';

const DAY = 86_400_000;
const NOON = Date.UTC(2026, 10, 28, 12);
const BUDGET: Budget = { bytesPerDay: 20_000, reserved: 0.25, timeZone: 'UTC' };

type Ops = ReturnType<typeof openInMemory>;

/** A line that acknowledges at once; `wire` is what else was on it. */
class Line {
  readonly sent: string[] = [];
  payloadBytes = 0;
  wire = 0;
  events: LinkEvents | undefined;

  readonly open = (_subscriptions: readonly string[], events: LinkEvents) => {
    this.events = events;
    queueMicrotask(() => events.onOpen());
    return {
      publish: async (topic: string, payload: Uint8Array) => {
        const { count } = sentBatch(payload);
        this.sent.push(`${topic.split('/').at(-1)} ${count}`);
        this.payloadBytes += payload.length;
      },
      wireBytes: () => this.wire,
      close: () => {},
    };
  };

  take(): string[] {
    return this.sent.splice(0);
  }
}

function start(ops: Ops, clock: TestClock, budget = BUDGET, gather = 0) {
  const call = async (name: keyof Ops, ...args: unknown[]) =>
    structuredClone((ops[name] as (...args: unknown[]) => unknown)(...args));
  const spool = { call, close: async () => {} } as unknown as Spool;
  const line = new Line();
  const log = () => {};
  const meter = new Meter({ spool, clock, log }, budget);
  const ports = {
    spool,
    clock,
    random: () => 0.5,
    openLink: line.open,
    meter,
    onOpen: () => {},
    onMessage: () => {},
    log,
  };
  const uplink = new Uplink('gw1', [], ports, { ...LIMITS, batchBytesMin: 500, batchBytesMax: 2_000, gather });
  uplink.start();
  onTestFinished(() => uplink.stop());
  return { line, uplink, meter };
}

let journaled = 0;
function read(ops: Ops, uplink: Uplink, count: number): void {
  const { id } = ops.append(arrivalOf(numbered(journaled, count)));
  journaled += count;
  ops.commitStep(stepOf(ops.state().step + 1, { through: id }));
  uplink.changed();
}

const readings = (sent: readonly string[]) =>
  sent.reduce((sum, each) => sum + (/^(live|backfill)/.test(each) ? Number(each.split(' ')[1]) : 0), 0);

test('when their part of the day is spent readings wait, alerts and reports go, and all is sent when the day turns', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOON);
  const { line, uplink, meter } = start(ops, clock);
  await settled();
  let total = 0;
  while (!(await meter.status()).isSpent) {
    read(ops, uplink, 200);
    total += 200;
    await clock.advance(1_000);
  }
  // Ten seconds more, in vain.
  for (let n = 0; n < 10; n++, total += 200) {
    read(ops, uplink, 200);
    await clock.advance(1_000);
  }
  const before = readings(line.take());
  expect(before).toBeLessThan(total);
  expect(line.payloadBytes).toBeLessThan(BUDGET.bytesPerDay * 0.75 + 2_000);
  ops.commitStep(stepOf(ops.state().step + 1, { alerts: [alertOf(1)] }));
  ops.addReports([reportOf(1)], clock.now());
  uplink.changed();
  await clock.advance(2 * 3_600_000);
  expect(line.take()).toEqual(['alert 1', 'report 1']);
  // Ten more hours: a new day.
  await clock.advance(10 * 3_600_000 + 2_000);
  expect(before + readings(line.take())).toBe(total);
  expect((await meter.status()).day).toBe('2026-11-29');
});

test('a restart does not make the day cheaper', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOON);
  const first = start(ops, clock);
  await settled();
  for (let n = 0; n < 20; n++) {
    read(ops, first.uplink, 100);
    await clock.advance(1_000);
  }
  const { spentBytes } = await first.meter.status();
  expect(spentBytes).toBeGreaterThan(first.line.payloadBytes);
  // Killed: nothing is written down any more.
  const second = start(ops, clock);
  await settled();
  expect((await second.meter.status()).spentBytes).toBeGreaterThanOrEqual(spentBytes);
});

test('what else is on the wire counts, but what was counted before it was sent does not count twice', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOON);
  const { line, uplink, meter } = start(ops, clock);
  await settled();
  read(ops, uplink, 100);
  await settled();
  const { spentBytes } = await meter.status();
  line.wire = Math.floor(spentBytes / 2);
  await clock.advance(2_000);
  expect((await meter.status()).spentBytes).toBe(spentBytes);
  line.wire = spentBytes + 700;
  await clock.advance(2_000);
  expect((await meter.status()).spentBytes).toBe(spentBytes + 700);
  await clock.advance(60_000);
  expect(ops.spent()[0]).toEqual({ day: '2026-11-28', bytes: spentBytes + 700 });
  // Another connection begins at nothing.
  line.wire = 0;
  line.events!.onClosed('lost');
  await clock.advance(5_000);
  line.wire = 300;
  await clock.advance(2_000);
  expect((await meter.status()).spentBytes).toBe(spentBytes + 1_000);
});

test('readings that are gathered go in few messages, an alert at once', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOON);
  const budget = { ...BUDGET, bytesPerDay: 1_000_000 };
  const { line, uplink } = start(ops, clock, budget, 30_000);
  await settled();
  for (let second = 0; second < 60; second++) {
    read(ops, uplink, 1);
    await clock.advance(1_000);
  }
  ops.commitStep(stepOf(ops.state().step + 1, { alerts: [alertOf(1)] }));
  uplink.changed();
  await settled();
  const sent = line.take();
  expect(sent.at(-1)).toBe('alert 1');
  expect(sent.length).toBeLessThanOrEqual(4);
  await clock.advance(30_000);
  expect(readings(sent) + readings(line.take())).toBe(60);
  expect(clock.now()).toBeLessThan(NOON + DAY);
});
