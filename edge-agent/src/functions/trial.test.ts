/** A version on trial: tried beside what runs, and put aside where the agent does not survive it. */
import { createFoldHost, createSandbox, type FoldHost, GOOD_STEPS, type Sandbox, takeOver } from '@weir/runtime';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { append, good, NAME, portsOf, readingOf, sent, type Version, versionOf } from './last-good.fixture.ts';
import { Pipeline } from './pipeline.ts';
import type { TrialLimits } from './rehearsals.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

const TRIAL: TrialLimits = { readingsMax: 100, spanMax: 60_000, endsMax: 3 };

/** An agent on `spool`, as after a start. */
async function start(spool = new HeldSpool(), { boot = 'boot1', createTrialHost = beside } = {}) {
  const clock = new TestClock();
  const logs: string[] = [];
  const limits = { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: TRIAL };
  const pipeline = new Pipeline({ ...portsOf(sandbox, spool, logs), clock, createTrialHost }, limits);
  onTestFinished(() => pipeline.stop());
  spool.ops.beginRun(boot);
  await pipeline.start();
  const read = async (...values: number[]) => {
    for (const value of values) {
      const { id } = append(spool, value);
      pipeline.offer({ id, bytes: 0, columns: arrivalOf([readingOf(value, id)]).columns!, receivedAt: id });
      await vi.waitFor(() => expect(spool.ops.state().position).toBe(id), { interval: 1, timeout: 20_000 });
    }
  };
  const want = ({ bytes, hash }: Version, config = '{}') => {
    spool.ops.stageBundle(hash, bytes);
    const next = { name: NAME, hash, config };
    return pipeline.deploy({ targetOf: (kept) => [takeOver(kept.get(NAME), next)], hashesNeeded: [hash] });
  };
  const kept = () => spool.ops.state().deployments[0];
  const status = () => pipeline.status()[0];
  /** Runs it until it is what to go back to. */
  const prove = async (version: Version) => {
    await want(version);
    await read(...Array(GOOD_STEPS).fill(1));
    await clock.advance(1_000);
    await vi.waitFor(() => expect(kept()).toMatchObject({ hash: version.hash, proven: true }));
  };
  return { spool, clock, logs, pipeline, read, want, kept, status, prove };
}

function beside(): FoldHost {
  return createFoldHost({ device: 'gw1', sandbox });
}

/** Nothing is wrong with it that can be seen from here. */
const quiet = versionOf('2', 'reading() {}');

describe('before it takes over', () => {
  test('it is given what came last: where it fails at all of that it never does, and what runs misses nothing', async () => {
    const { spool, read, want, kept, prove } = await start();
    await prove(good);
    await want(versionOf('2', `reading(r) { throw new Error('broken by design'); }`));
    expect(kept()).toMatchObject({
      hash: good.hash,
      failed: {
        version: '2',
        state: 'failed',
        reason: expect.stringMatching(/failed at what came last.*broken by design/),
      },
    });
    await read(1);
    expect(sent(spool).counts).toEqual(Array.from({ length: GOOD_STEPS + 1 }, (_, at) => at + 1));
  });

  test('it is given the state that it would take over', async () => {
    const { want, kept, prove } = await start();
    await prove(good);
    await want(
      versionOf('2', `reading(r, ctx) { if (ctx.state.n >= ${GOOD_STEPS}) throw new Error('it is too much'); }`),
    );
    expect(kept()).toMatchObject({ hash: good.hash, failed: { reason: expect.stringContaining('it is too much') } });
  });

  test('what it makes of that goes nowhere, and its state begins from where what ran was', async () => {
    const { spool, read, want, prove } = await start();
    await prove(good);
    await want(versionOf('2', `reading(r, ctx) { ctx.emit({ metric: 'count', value: ++ctx.state.n }); }`));
    await read(1);
    expect(sent(spool).counts).toEqual(Array.from({ length: GOOD_STEPS + 1 }, (_, at) => at + 1));
  });

  test('what runs goes on stepping for as long as it is tried', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const tried = vi.fn();
    const createTrialHost = () => {
      const host = beside();
      const deploy = host.deploy.bind(host);
      host.deploy = async (...args) => {
        tried();
        await promise;
        return deploy(...args);
      };
      return host;
    };
    const { spool, read, want, kept, prove } = await start(new HeldSpool(), { createTrialHost });
    await prove(good);
    const wanted = want(quiet);
    await vi.waitFor(() => expect(tried).toHaveBeenCalled());
    await read(1, 1, 1);
    expect(sent(spool).counts).toHaveLength(GOOD_STEPS + 3);
    expect(kept()).toMatchObject({ hash: good.hash });
    resolve();
    await wanted;
    expect(kept()).toMatchObject({ hash: quiet.hash });
  });
});

describe('an agent that ends without having been told to while a version is on trial', () => {
  /** Starts it again and again, each time of the boot that is named. */
  async function restart(spool: HeldSpool, ...boots: string[]) {
    let agent = await start(spool, { boot: boots[0]! });
    for (const boot of boots.slice(1)) agent = await start(spool, { boot });
    return agent;
  }
  const same = (times: number) => Array<string>(times).fill('boot1');
  const others = (times: number) => Array.from({ length: times }, (_, at) => `boot${at + 2}`);

  test('puts it aside after the third time: the last good goes on with its state, and it is told why', async () => {
    const first = await start();
    await first.prove(good);
    await first.want(quiet);
    expect((await restart(first.spool, ...same(2))).status()).toMatchObject({ version: '2', state: 'running' });
    const { status, read, spool, logs } = await restart(first.spool, 'boot1');
    const reason = 'while it was on trial the agent ended 3 times without having been told to';
    expect(status()).toMatchObject({ version: '1', inPlaceOf: { version: '2', state: 'quarantined', reason } });
    expect(logs).toEqual([`watch@2 is quarantined: ${reason}; 1, the last good, runs in its place`]);
    await read(1);
    expect(sent(spool).counts).toHaveLength(GOOD_STEPS + 1);
    expect(spool.ops.trials()).toEqual([]);
    expect((await restart(spool, ...same(4))).status()).toMatchObject({ version: '1', state: 'running' });
  });

  test('is not deceived by as many cuts of power; by twice as many it is, for a version can hang a machine', async () => {
    const first = await start();
    await first.prove(good);
    await first.want(quiet);
    expect((await restart(first.spool, ...others(5))).status()).toMatchObject({ version: '2', state: 'running' });
    expect((await restart(first.spool, 'last')).status()).toMatchObject({ version: '1', inPlaceOf: { version: '2' } });
  });

  test('holds nothing against a version that is proven', async () => {
    const first = await start();
    await first.prove(good);
    expect((await restart(first.spool, ...same(9))).status()).toMatchObject({ version: '1', state: 'running' });
  });

  test('was told to, or has run for long in between: that is no loop', async () => {
    const first = await start();
    await first.prove(good);
    await first.want(quiet);
    const { spool } = first;
    for (let n = 0; n < 9; n++) {
      spool.ops.endRun();
      await start(spool);
    }
    for (let n = 0; n < 9; n++) {
      const { status } = await start(spool);
      expect(status()).toMatchObject({ version: '2', state: 'running' });
      spool.ops.runIsSteady();
    }
  });

  test('does not start what has nothing to go back to, either: the device comes up, and the neighbours run', async () => {
    const first = await start();
    await first.want(quiet);
    const { status, kept } = await restart(first.spool, ...same(3));
    expect(status()).toMatchObject({
      version: '2',
      state: 'quarantined',
      reason: expect.stringContaining('ended 3 times'),
    });
    expect(kept()).toMatchObject({ quarantined: expect.stringContaining('ended 3 times') });
  });

  test('while it is only tried beside what runs: it is refused before it is loaded once more', async () => {
    const spool = new HeldSpool();
    const loads = vi.fn();
    const createTrialHost = () => {
      const host = beside();
      host.deploy = () => {
        loads();
        return new Promise(() => {});
      };
      return host;
    };
    const first = await start(spool);
    await first.prove(good);
    for (let n = 0; n < 3; n++) {
      const { want } = await start(spool, { createTrialHost });
      void want(quiet).catch(() => {});
      await vi.waitFor(() => expect(loads).toHaveBeenCalledTimes(n + 1));
    }
    const { want, status } = await start(spool, { createTrialHost });
    await want(quiet);
    expect(loads).toHaveBeenCalledTimes(3);
    expect(status()).toMatchObject({ version: '1', inPlaceOf: { version: '2', state: 'quarantined' } });
  });

  test('gives it another chance when something else was wanted in between, or it has another configuration', async () => {
    const first = await start();
    await first.prove(good);
    await first.want(quiet);
    const { want, status } = await restart(first.spool, ...same(3));
    await want(quiet, '{"limit":80}');
    expect(status()).toMatchObject({ version: '2', state: 'running' });
    await want(good);
    await want(quiet);
    expect(status()).toMatchObject({ version: '2', state: 'running' });
  });
});
