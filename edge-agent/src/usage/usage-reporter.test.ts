import { expect, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { stepOf } from '../spool/spool.fixture.ts';
import { reportsOf, used } from './usage.fixture.ts';
import { UsageReporter } from './usage-reporter.ts';

const MINUTE = 60_000;

function startReporter() {
  const clock = new TestClock();
  const spool = new HeldSpool();
  const link = { isUp: true };
  const seen = { told: 0, failures: [] as string[] };
  const reporter = new UsageReporter(
    {
      spool,
      clock,
      isConnected: () => link.isUp,
      onTold: () => void seen.told++,
      onFailure: (what) => seen.failures.push(what),
    },
    5 * MINUTE,
  );
  reporter.start();
  return { clock, spool, link, seen, reporter, readings: () => reportsOf(spool.ops).map(({ readings }) => readings) };
}

test('the hub is told at an interval, and only when something was used', async () => {
  const { clock, spool, seen, readings } = startReporter();
  await clock.advance(20 * MINUTE);
  expect(seen.told).toBe(0);
  spool.ops.commitStep(stepOf(1, { usage: [used('mean', 5)], now: clock.now() }));
  await clock.advance(5 * MINUTE);
  await clock.advance(20 * MINUTE);
  expect([seen.told, readings()]).toEqual([1, [5]]);
});

test('steps that changed nothing count too, although nothing was committed for them', async () => {
  const { clock, reporter, spool } = startReporter();
  for (let i = 0; i < 30; i++) reporter.keep([used('watch', 0, { cpuMs: 0.5 })]);
  await clock.advance(5 * MINUTE);
  expect(reportsOf(spool.ops)).toMatchObject([{ function: 'watch', invocations: 30, readings: 0, cpuMs: 15 }]);
});

test('an orderly end loses nothing: the next run tells it', async () => {
  const { clock, reporter, spool, link, seen } = startReporter();
  link.isUp = false;
  reporter.keep([used('watch', 0)]);
  await reporter.stop();
  expect(seen.told).toBe(0);
  spool.ops.tellUsage([], true, clock.now());
  expect(reportsOf(spool.ops)).toMatchObject([{ function: 'watch', invocations: 1 }]);
});

test('a card that is full for a while loses nothing', async () => {
  const { clock, reporter, spool, seen } = startReporter();
  reporter.keep([used('watch', 0)]);
  spool.failing.add('tellUsage');
  await clock.advance(5 * MINUTE);
  spool.failing.clear();
  expect(seen.failures).toEqual(['what functions used cannot be kept']);
  reporter.keep([used('watch', 0)]);
  await clock.advance(5 * MINUTE);
  expect(reportsOf(spool.ops)).toMatchObject([{ function: 'watch', invocations: 2 }]);
});
