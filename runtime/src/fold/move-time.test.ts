import { forwardingSchema, readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionOf, KeptHost, logged, ruleOf, sandbox, startSandbox, T0 } from './fold.fixture.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const YEAR_S = 365 * 86_400;

const watched = async () => [
  await functionOf(
    'silence',
    `timers: { silent(ctx) { ctx.log('silent at', (ctx.now - ${T0}) / 1000); } },
     schedules: [{ name: 'often', every: '1m', run: (ctx) => ctx.log('often') }],
     reading(r, ctx) { ctx.after('5m', 'silent'); ctx.alert({ name: 'seen', active: true }); }`,
  ),
  ruleOf('warm', { metric: 'temperature', above: 8, for: '1m' }),
];

describe.each([YEAR_S, -YEAR_S / 100])('a host that was not right about the time by %i s', (shift) => {
  const now = 5_000_000;

  test('lets nothing fall due by that: what was pending, or silent, for a second is so for a second', async () => {
    const host = new KeptHost();
    await host.deploy(...(await watched()));
    await host.tick(now);
    const { alerts: raised } = await host.step([now + 10, 9]);
    host.moveTime(now, shift, now + 11);
    const at = (seconds: number) => now + 11 + shift + seconds;
    const soon = await host.tick(at(1));
    expect([logged(soon), soon.alerts]).toEqual([[], []]);
    const { alerts: pending } = await host.tick(at(58));
    expect(pending).toEqual([]);
    const { alerts } = await host.tick(at(59));
    expect(alerts).toMatchObject([{ state: 'firing', startedAt: T0 + at(-1) * 1_000, ts: T0 + at(59) * 1_000 }]);
    expect(raised).toMatchObject([{ startedAt: T0 + (now + 10) * 1_000 }]);
    const silent = logged(await host.tick(at(400))).filter((line) => line.startsWith('silent'));
    expect(silent).toEqual([`silent at ${at(299)}`]);
  });

  test('goes on after a restart as if there had been none', async () => {
    const tell = async (isRestarted: boolean) => {
      const host = new KeptHost();
      await host.deploy(...(await watched()));
      await host.step([now, 9]);
      host.moveTime(now - 1, shift, now + 1);
      if (isRestarted) await host.restart();
      const { alerts, logs } = await host.step([now + shift + 400, 1]);
      return { alerts, logs };
    };
    expect(await tell(true)).toEqual(await tell(false));
  });
});

test('what was before the time went wrong stays where it is', async () => {
  const host = new KeptHost();
  await host.deploy(...(await watched()));
  await host.step([0, 9]);
  host.moveTime(10, YEAR_S, 20);
  const { alerts } = await host.tick(YEAR_S);
  expect(alerts).toMatchObject([{ startedAt: T0, ts: T0 + 60_000 }]);
});

test('what a start before this one has seen, with a clock that was ahead, is not later than this one: its alert ends', async () => {
  const host = new KeptHost();
  await host.deploy(ruleOf('warm', { metric: 'temperature', above: 8 }));
  const { alerts: raised } = await host.step([3_600, 9]);
  // The clock has gone on from there, until it turned out to be an hour ahead.
  host.moveTime(3_700, -3_600, 110);
  const { alerts } = await host.step([120, 1]);
  expect([raised[0]?.state, alerts[0]?.state]).toEqual(['firing', 'resolved']);
  expect(alerts[0]?.episode).toBe(raised[0]?.episode);
});

test('windows that are open are told, in time as it was, and those after it are of their own time', async () => {
  const forward = { name: 'thin', forward: [{ every: '1m', values: ['count'] }] };
  const bundle = { weir: 1 as const, kind: 'forwarding' as const, forwarding: forwardingSchema.parse(forward) };
  const host = new KeptHost();
  await host.deploy({ name: 'thin', bundle, hash: 'thin', config: {} });
  const counts = (output: Awaited<ReturnType<KeptHost['tick']>>) =>
    (output.forwarded?.readings ?? [])
      .flatMap((columns) => [...readingsOf(columns)])
      .map(({ value, ts }) => [value, (ts - T0) / 1_000]);
  await host.step([0, 1], [1, 2]);
  expect(counts(host.moveTime(0, YEAR_S, 5))).toEqual([[2, 5]]);
  await host.step([YEAR_S + 6, 3]);
  expect(counts(await host.tick(YEAR_S + 4_000))).toMatchObject([[1, expect.any(Number)]]);
});

test('a rule that is asked at any moment after a move has fired exactly if the value has held for long enough', async () => {
  const host = () => new KeptHost();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: -10_000_000, max: 100_000_000 }),
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: 0, max: 120 }),
      async (shift, before, after) => {
        const kept = host();
        await kept.deploy(ruleOf('warm', { metric: 'temperature', above: 8, for: '1m' }));
        await kept.step([20_000_000, 9]);
        const { alerts: early } = await kept.tick(20_000_000 + before);
        kept.moveTime(20_000_000, shift, 20_000_000 + before);
        const { alerts } = await kept.tick(20_000_000 + before + shift + after);
        expect([early.length, alerts.length]).toEqual([0, before + after >= 60 ? 1 : 0]);
      },
    ),
    { numRuns: 50 },
  );
});
