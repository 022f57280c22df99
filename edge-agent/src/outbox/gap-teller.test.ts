import { expect, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, numbered, outboxLimits, stepOf } from '../spool/spool.fixture.ts';
import { GapTeller } from './gap-teller.ts';

const EVERY_MS = 10_000;

/** A teller over a backlog of which five readings were given up. */
async function telling() {
  const spool = new HeldSpool({ outbox: outboxLimits({ backfill: { rowsMax: 5 } }) });
  for (let n = 1; n <= 10; n++) {
    const { id } = await spool.call('append', arrivalOf(numbered(n, 1)));
    await spool.call('commitStep', stepOf(n, { through: id, connected: false }));
  }
  const clock = new TestClock();
  const state = { connected: false, told: 0, failures: [] as string[] };
  const teller = new GapTeller(
    {
      spool,
      clock,
      isConnected: () => state.connected,
      onTold: () => state.told++,
      onFailure: (what) => state.failures.push(what),
    },
    EVERY_MS,
  );
  teller.start();
  return { spool, clock, state, teller };
}

const reports = (spool: HeldSpool) => spool.ops.state().lanes.find(({ lane }) => lane === 'report')!.nextSeq;

test('without a connection nobody is told, so that ranges can grow; with one, once', async () => {
  const { spool, clock, state } = await telling();
  await clock.advance(3 * EVERY_MS);
  expect(reports(spool)).toBe(0);
  state.connected = true;
  await clock.advance(3 * EVERY_MS);
  expect([reports(spool), state.told]).toEqual([1, 1]);
});

test('what could not be noted is told later', async () => {
  const { spool, clock, state } = await telling();
  state.connected = true;
  spool.failing.add('tellGaps');
  await clock.advance(EVERY_MS);
  expect(state.failures).toEqual(['the hub cannot be told of what was given up']);
  spool.failing.clear();
  await clock.advance(EVERY_MS);
  expect(state.told).toBe(1);
});

test('once stopped it tells nothing more', async () => {
  const { spool, clock, state, teller } = await telling();
  state.connected = true;
  teller.stop();
  await clock.advance(5 * EVERY_MS);
  expect(reports(spool)).toBe(0);
});
