/** A candidate beside what runs on a device: followed, compared, kept, and in the end what runs. */
import type { Json } from '@weir/protocols';
import { createSandbox, type FunctionSandbox, GOOD_STEPS, type Sandbox, takeOver } from '@weir/runtime';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { Candidates } from './candidates.ts';
import { append, good, NAME, portsOf, readingOf, sent, type Version, versionOf } from './last-good.fixture.ts';
import { Pipeline } from './pipeline.ts';
import { NO_TRIAL } from './trial.fixture.ts';
import type { TrialKey } from './trial-table.ts';

let sandbox: Sandbox;
let beside: Sandbox;
beforeAll(async () => {
  [sandbox, beside] = [createSandbox(), createSandbox()];
  await Promise.all([sandbox.start(), beside.start()]);
});
afterAll(() => Promise.all([sandbox.stop(), beside.stop()]));

const LIMITS = { lagMax: 2_000, tolerance: 1e-9, endsMax: 3 };
/** By tens, and it has seen a start. */
const tens = versionOf(
  '2',
  `state: () => ({ n: 0 }), start(ctx) { ctx.state.starts = (ctx.state.starts ?? 0) + 1; },
   reading(r, ctx) { ctx.emit({ metric: 'count', value: ctx.state.n += 10 }); ctx.publish('plant/x', 'moved'); }`,
  { handlers: ['start', 'reading'] },
);
const looping = versionOf('3', 'reading() { for (;;); }', { timeoutMs: 20 });

interface Beside {
  spool?: HeldSpool;
  sandbox?: FunctionSandbox;
  /** Whether a call reaches the spool. */
  isOn?: (name: string) => boolean;
}

async function start({ spool = new HeldSpool(), sandbox: own = beside, isOn = () => true }: Beside = {}) {
  const clock = new TestClock();
  const logs: string[] = [];
  const call = ((name: 'foldStates', ...args: [string]) =>
    isOn(name) ? spool.call(name, ...args) : new Promise(() => {})) as HeldSpool['call'];
  const port = { call, close: async () => {} };
  const log = (_level: string, message: string) => void logs.push(message);
  const candidates = new Candidates(
    { device: 'gw1', spool: port, clock, sandbox: own, onStatus: () => {}, log },
    LIMITS,
  );
  const pipeline = new Pipeline(
    { ...portsOf(sandbox, port, logs), clock, candidates },
    { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
  );
  onTestFinished(() => void pipeline.stop());
  await pipeline.start();
  const offer = (value: number) => {
    const { id } = append(spool, value);
    pipeline.offer({ id, bytes: 0, columns: arrivalOf([readingOf(value, id)]).columns!, receivedAt: id });
    return id;
  };
  const read = async (...values: number[]) => {
    for (const value of values) {
      const id = offer(value);
      await vi.waitFor(() => expect(spool.ops.state().position).toBe(id), { interval: 1, timeout: 20_000 });
    }
  };
  /** @param green undefined: nothing beside it */
  const want = async (blue: Version, green?: Version) => {
    for (const { hash, bytes } of [blue, ...(green === undefined ? [] : [green])]) spool.ops.stageBundle(hash, bytes);
    const isThere = (kept: { hash: string } | undefined) => kept?.hash === blue.hash;
    const next = { name: NAME, hash: blue.hash, config: '{}' };
    const candidates: TrialKey[] = green === undefined ? [] : [{ name: NAME, hash: green.hash, config: '{}' }];
    await pipeline.deploy({
      targetOf: (kept) => [isThere(kept.get(NAME)) ? kept.get(NAME)! : takeOver(kept.get(NAME), next)],
      hashesNeeded: [blue.hash, ...candidates.map(({ hash }) => hash)],
      candidates,
    });
  };
  const candidate = () => pipeline.candidates[0];
  /** What is kept of the user's state of the candidate. */
  const greenState = () => userState(spool.ops.candidates()[0]?.state);
  return { spool, clock, logs, pipeline, offer, read, want, candidate, greenState, status: () => pipeline.status()[0] };
}

function userState(json: string | undefined): Json | undefined {
  if (json === undefined) return undefined;
  const { states } = JSON.parse(json) as { states: [string, { text: string }][] };
  return JSON.parse(states[0]![1].text) as Json;
}

describe('a candidate', () => {
  test('is given what what runs is given, from the state of that on; what it makes goes nowhere, and is compared', async () => {
    const { spool, read, want, candidate, greenState } = await start();
    await want(good);
    await read(1, 1);
    await want(good, tens);
    await read(1, 1);
    expect(greenState()).toEqual({ n: 22, starts: 1 });
    expect(sent(spool).counts).toEqual([1, 2, 3, 4]);
    expect(spool.ops.state().publishes).toEqual([]);
    expect(candidate()).toMatchObject({
      ...{ version: '2', state: 'running' },
      comparison: { steps: 2, differ: 2, outputs: { blue: 2, green: 4 }, errors: { blue: 0, green: 0 } },
    });
    expect(candidate()!.comparison.example).toMatch(/"value":3,.*the candidate: .*"value":12,/);
  });

  test('takes over with its state, without a gap or a step done twice, nor another start', async () => {
    const { spool, offer, read, want, pipeline, status } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS).fill(1));
    await want(good, tens);
    await read(1, 1);
    // Readings are on their way while it takes over.
    for (let n = 0; n < 5; n++) offer(1);
    const wanted = want(tens);
    for (let n = 0; n < 5; n++) offer(1);
    await wanted;
    const last = offer(1);
    await vi.waitFor(() => expect(spool.ops.state().position).toBe(last));
    expect(status()).toMatchObject({ version: '2', state: 'running' });
    expect(pipeline.candidates).toEqual([]);
    expect(spool.ops.candidates()).toEqual([]);
    // Ten and thirteen steps, of which each was one of either.
    expect(userState(spool.ops.foldStates(NAME).current)).toEqual({ n: GOOD_STEPS + 130, starts: 1 });
    const { counts } = sent(spool);
    expect(counts).toHaveLength(GOOD_STEPS + 13);
    expect(counts.at(-1)).toBe(GOOD_STEPS + 130);
    expect(spool.ops.state().deployments[0]).toMatchObject({ hash: tens.hash, lastGood: { hash: good.hash } });
  });

  test('goes on after a restart as if there had been none', async () => {
    const first = await start();
    await first.want(good);
    await first.want(good, tens);
    await first.read(1, 1);
    await first.pipeline.stop();
    const { read, greenState, candidate } = await start({ spool: first.spool });
    await read(1);
    expect(greenState()).toEqual({ n: 30, starts: 1 });
    expect(candidate()).toMatchObject({ state: 'running', comparison: { steps: 3, differ: 3 } });
  });

  test('that is not wanted any more is gone, with all that was kept of it', async () => {
    const { spool, read, want, candidate } = await start();
    await want(good, tens);
    await read(1);
    await want(good);
    await read(1);
    expect(candidate()).toBeUndefined();
    expect(spool.ops.candidates()).toEqual([]);
    expect(spool.ops.trials().map(({ hash }) => hash)).toEqual([good.hash]);
    expect(spool.ops.bundle(tens.hash)).toBeUndefined();
    expect(sent(spool).counts).toEqual([1, 2]);
  });

  test('begins anew where another takes its place', async () => {
    const { read, want, candidate, greenState } = await start();
    await want(good, tens);
    await read(1);
    await want(good, versionOf('4', 'reading(r, ctx) { ctx.state.other = true; }'));
    await read(1);
    expect(candidate()).toMatchObject({ version: '4', comparison: { steps: 1 } });
    expect(greenState()).toEqual({ n: 1, other: true });
  });
});

describe('a candidate that does wrong', () => {
  test('loops: it is stopped, what runs has missed nothing, and it stays stopped over a restart', async () => {
    const first = await start();
    await first.want(good, looping);
    await first.read(1, 1, 1, 1, 1);
    expect(sent(first.spool).counts).toEqual([1, 2, 3, 4, 5]);
    expect(first.candidate()).toMatchObject({
      state: 'quarantined',
      reason: expect.stringMatching(/had to be stopped/),
    });
    expect(first.status()).toMatchObject({ state: 'running', errors: 0 });
    await first.pipeline.stop();
    const { candidate, read } = await start({ spool: first.spool });
    await read(1);
    expect(candidate()).toMatchObject({
      version: '3',
      state: 'quarantined',
      comparison: { errors: { blue: 0, green: 3 } },
    });
  });

  test('cannot be loaded: it never runs, and says why', async () => {
    const { read, want, candidate, status } = await start();
    await want(good, versionOf('5', `reading() {}, [(() => { throw new Error('not even this'); })()]: 1`));
    await read(1);
    expect(candidate()).toMatchObject({ state: 'failed', reason: expect.stringContaining('not even this') });
    expect(status()).toMatchObject({ version: '1', state: 'running' });
  });

  test('hangs with all its process: a commit waits for it once, and no longer than it may', async () => {
    let hangs = false;
    const hanging: FunctionSandbox = {
      load: (unit) => beside.load(unit),
      step: (unit, request) => (hangs ? new Promise(() => {}) : beside.step(unit, request)),
      drop: (key) => beside.drop(key),
    };
    const { spool, clock, offer, read, want, candidate } = await start({ sandbox: hanging });
    await want(good, tens);
    await read(1);
    hangs = true;
    const last = [offer(1), offer(1)].at(-1)!;
    await vi.waitFor(() => expect(clock.due).toContain(clock.now() + LIMITS.lagMax));
    expect(spool.ops.state().position).toBe(1);
    await clock.advance(LIMITS.lagMax);
    await vi.waitFor(() => expect(spool.ops.state().position).toBe(last));
    expect(candidate()).toMatchObject({ state: 'quarantined', reason: expect.stringMatching(/cannot keep up/) });
    await read(1);
    expect(sent(spool).counts).toEqual([1, 2, 3, 4]);
  });

  test('ends the agent again and again: it is not started once more, and what runs is not blamed', async () => {
    const first = await start();
    await first.want(good);
    await first.read(...Array(GOOD_STEPS).fill(1));
    await first.clock.advance(1_000);
    await first.want(good, tens);
    const { spool } = first;
    spool.ops.beginRun('boot1');
    for (let end = 0; end < 3; end++) spool.ops.beginRun('boot1');
    const { candidate, status, read } = await start({ spool });
    await read(1);
    expect(candidate()).toMatchObject({ state: 'quarantined', reason: expect.stringMatching(/ended 3 times/) });
    expect(status()).toMatchObject({ version: '1', state: 'running' });
  });

  test('is wanted nevertheless: it is tried like any other, and goes on from the state of what runs', async () => {
    const { spool, read, want } = await start();
    await want(good, looping);
    await read(1, 1, 1);
    await want(looping);
    expect(spool.ops.state().deployments[0]).toMatchObject({ hash: looping.hash });
    expect(userState(spool.ops.foldStates(NAME).current)).toEqual({ n: 3 });
  });
});

test('whenever the power fails, a candidate has done each step once, before it takes over and after', {
  timeout: 120_000,
}, async () => {
  for (let failAt = 0, isOver = false; !isOver; failAt++) {
    const spool = new HeldSpool();
    let left = Number.POSITIVE_INFINITY;
    let wasOff = false;
    let power = { isOn: true };
    const boot = () => {
      const own = { isOn: true };
      power = own;
      const isOn = (name: string) => {
        if (name === 'commitStep' && left-- === 0) {
          own.isOn = false;
          wasOff = true;
        }
        return own.isOn;
      };
      return start({ spool, isOn });
    };
    let agent = await boot();
    await agent.want(good);
    /** Until it is so, whatever it takes. */
    const until = async (act: () => Promise<void>, check: () => boolean) => {
      void act().catch(() => {});
      for (let turn = 0; !check(); turn++) {
        if (turn > 100_000) expect.fail(`it did not come; the power failed at commit ${failAt}`);
        if (!power.isOn) {
          agent = await boot();
          void act().catch(() => {});
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const step = () => {
      const { id } = append(spool, 1);
      const columns = arrivalOf([readingOf(1, id)]).columns!;
      if (power.isOn) agent.pipeline.offer({ id, bytes: 0, columns, receivedAt: id });
      return until(
        async () => {},
        () => spool.ops.state().position === id,
      );
    };
    left = failAt;
    await until(
      () => agent.want(good, tens),
      () => spool.ops.candidates()[0]?.hash === tens.hash,
    );
    for (let n = 0; n < 3; n++) await step();
    await until(
      () => agent.want(tens),
      () => spool.ops.state().deployments[0]?.hash === tens.hash,
    );
    for (let n = 0; n < 3; n++) await step();
    isOver = !wasOff;
    expect(userState(spool.ops.foldStates(NAME).current), `commit ${failAt}`).toEqual({ n: 60, starts: 1 });
    expect(sent(spool).counts, `commit ${failAt}`).toEqual([1, 2, 3, 40, 50, 60]);
  }
});
