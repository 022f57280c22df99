/** A newer version that fails gives way to the last good one. */
import { createSandbox, GOOD_MS, GOOD_STEPS, type Sandbox, takeOver } from '@weir/runtime';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import {
  append,
  good,
  inARow,
  NAME,
  portsOf,
  readingOf,
  sent,
  THROWN_STEPS,
  throwing,
  unloadable,
  type Version,
  versionOf,
} from './last-good.fixture.ts';
import { Pipeline } from './pipeline.ts';
import { NO_TRIAL } from './trial.fixture.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

async function start(spool = new HeldSpool()) {
  const clock = new TestClock();
  const logs: string[] = [];
  const pipeline = new Pipeline(
    { ...portsOf(sandbox, spool, logs), clock },
    { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
  );
  onTestFinished(() => pipeline.stop());
  await pipeline.start();
  /** One step for each. */
  const read = async (...values: number[]) => {
    for (const value of values) {
      const { id } = append(spool, value);
      pipeline.offer({ id, bytes: 0, columns: arrivalOf([readingOf(value, id)]).columns!, receivedAt: id });
      await vi.waitFor(() => expect(spool.ops.state().position).toBe(id), { interval: 1, timeout: 20_000 });
    }
  };
  const want = async ({ bytes, hash }: Version) => {
    spool.ops.stageBundle(hash, bytes);
    const next = { name: NAME, hash, config: '{}' };
    await pipeline.deploy({ targetOf: (kept) => [takeOver(kept.get(NAME), next)], hashesNeeded: [hash] });
  };
  const kept = () => spool.ops.state().deployments[0];
  const status = () => pipeline.status()[0];
  return { spool, clock, logs, pipeline, read, want, kept, status };
}

describe('a version that is quarantined', () => {
  test('gives way to the last good one, which goes on from its own state', async () => {
    const { spool, read, want, kept, status, clock } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS).fill(1));
    await clock.advance(1_000);
    await want(throwing);
    await read(0, ...inARow(1));
    expect(kept()).toEqual({
      name: NAME,
      hash: good.hash,
      config: '{}',
      quarantined: null,
      proven: true,
      failed: {
        hash: throwing.hash,
        config: '{}',
        version: '2',
        state: 'quarantined',
        reason: expect.stringContaining('broken by design'),
      },
    });
    expect(status()).toMatchObject({
      version: '1',
      state: 'running',
      inPlaceOf: { version: '2', state: 'quarantined' },
    });
    await read(1, 1);
    expect(sent(spool).counts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test('gives way to it as well where that cannot be read just then: a disk that fails for a moment decides nothing', async () => {
    const { spool, clock, logs, pipeline, read, want, kept, status } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS).fill(1));
    await clock.advance(1_000);
    await want(throwing);
    await read(0, ...inARow(1).slice(1));
    spool.unreadable.add('bundle');
    const { id } = append(spool, 1);
    pipeline.offer({ id, bytes: 0, columns: arrivalOf([readingOf(1, id)]).columns!, receivedAt: id });
    await vi.waitFor(() => expect(logs).toContain('a step could not be committed: disk I/O error'), {
      timeout: 20_000,
    });
    expect(kept()).toMatchObject({ hash: throwing.hash, quarantined: null });
    spool.unreadable.clear();
    await vi.waitFor(
      async () => {
        await clock.advance(1_000);
        expect(spool.ops.state().position).toBe(id);
      },
      { interval: 1, timeout: 20_000 },
    );
    expect(kept()).toMatchObject({ hash: good.hash, quarantined: null, failed: { hash: throwing.hash } });
    expect(status()).toMatchObject({ version: '1', state: 'running' });
  });

  test('ends its alerts, and what the last good one had open is neither lost nor told under a number twice', async () => {
    const { spool, read, want, clock } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS).fill(1), 9);
    await clock.advance(1_000);
    await want(throwing);
    await read(0, ...inARow(9));
    await read(9, 9, 1);
    expect(sent(spool).alerts).toEqual([
      'a-1 firing function',
      'a-2 resolved function',
      'b-1 firing function',
      'b-2 resolved quarantined',
      'c-1 firing function',
      'c-2 resolved function',
    ]);
  });

  test('is not started again by a restart, nor is the last good one lost by it', async () => {
    const first = await start();
    await first.want(good);
    await first.read(...Array(GOOD_STEPS).fill(1));
    await first.clock.advance(1_000);
    await first.want(throwing);
    await first.read(...inARow(1));
    await first.pipeline.stop();
    const second = await start(first.spool);
    expect(second.status()).toMatchObject({ version: '1', state: 'running', inPlaceOf: { version: '2' } });
    await second.read(...inARow(1));
    expect(sent(second.spool).counts).toEqual(Array.from({ length: GOOD_STEPS + THROWN_STEPS }, (_, at) => at + 1));
    expect(second.kept()!.failed).toMatchObject({ hash: throwing.hash });
  });

  test('stays stopped where the version before it had not proven itself', async () => {
    const { read, want, kept, status, clock } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS - 1).fill(1));
    await clock.advance(1_000);
    await want(throwing);
    await read(...inARow(1));
    expect(kept()).toMatchObject({ hash: throwing.hash, quarantined: expect.stringContaining('broken by design') });
    expect(status()).toMatchObject({ version: '2', state: 'quarantined' });
  });

  test('stays stopped where it asks for that at its first fault, with its state', async () => {
    const { spool, read, want, kept, clock } = await start();
    await want(good);
    await read(...Array(GOOD_STEPS).fill(1));
    await clock.advance(1_000);
    const careful = versionOf('2', `reading(r, ctx) { ctx.state.n++; if (r.value > 5) throw new Error('odd'); }`, {
      onError: 'stop',
    });
    await want(careful);
    await read(1, 1, 9, 1);
    expect(kept()).toMatchObject({ hash: careful.hash, quarantined: expect.stringContaining('odd') });
    expect(spool.ops.foldStates(NAME).current).toContain('{\\"n\\":12}');
  });

  test('ten minutes without a fault prove a version that gets few readings', async () => {
    const { read, want, kept, clock } = await start();
    await want(good);
    await clock.advance(GOOD_MS - 2_000);
    expect(kept()).not.toHaveProperty('proven');
    await clock.advance(4_000);
    expect(kept()).toMatchObject({ proven: true });
    await want(throwing);
    await read(...inARow(1));
    expect(kept()).toMatchObject({ hash: good.hash, failed: { hash: throwing.hash } });
  });

  test('is stopped together with the last good one when that fails too, and says so', async () => {
    const { read, want, kept, status, clock } = await start();
    const moody = versionOf('1', `reading(r) { if (r.value > 5) throw new Error('it fails too'); }`);
    await want(moody);
    await read(...Array(GOOD_STEPS).fill(1));
    await clock.advance(1_000);
    await want(throwing);
    await read(...inARow(9), ...inARow(9));
    expect(kept()).toMatchObject({
      hash: moody.hash,
      quarantined: expect.stringContaining('it fails too'),
      failed: { hash: throwing.hash, reason: expect.stringContaining('broken by design') },
    });
    expect(status()).toMatchObject({ version: '1', state: 'quarantined' });
    await read(9, 9);
    expect(status()).toMatchObject({ version: '1', state: 'quarantined', steps: THROWN_STEPS });
  });
});

describe('a version that cannot be started', () => {
  test('never takes over: what runs goes on with its state and its open alert', async () => {
    const { spool, read, want, kept, status, logs } = await start();
    await want(good);
    await read(9);
    await want(unloadable);
    await read(9, 1);
    expect(kept()).toEqual({
      name: NAME,
      hash: good.hash,
      config: '{}',
      quarantined: null,
      failed: {
        hash: unloadable.hash,
        config: '{}',
        version: '3',
        state: 'failed',
        reason: expect.stringContaining('not even this'),
      },
    });
    expect(status()).toMatchObject({ version: '1', state: 'running', inPlaceOf: { version: '3', state: 'failed' } });
    expect(logs).toEqual([expect.stringMatching(/^watch@3 cannot be started, what runs goes on: .*not even this/)]);
    expect(sent(spool)).toEqual({ counts: [1, 2, 3], alerts: ['a-1 firing function', 'a-2 resolved function'] });
  });

  test('is told as failed where there is nothing to go on with', async () => {
    const { want, status } = await start();
    await want(unloadable);
    expect(status()).toMatchObject({ version: '3', state: 'failed', reason: expect.stringContaining('not even this') });
  });

  test('for it would close a circle with a neighbour does not stop what runs, nor the neighbour', async () => {
    const { spool, read, want, pipeline } = await start();
    await want(good);
    const [x, y] = [[{ metric: 'x' }], [{ metric: 'y' }]];
    const neighbour = versionOf('1', 'reading() {}', { name: 'neighbour', inputs: x, outputs: y });
    spool.ops.stageBundle(neighbour.hash, neighbour.bytes);
    const beside = { name: 'neighbour', hash: neighbour.hash, config: '{}', quarantined: null };
    await pipeline.deploy({ targetOf: (kept) => [beside, kept.get(NAME)!], hashesNeeded: [] });
    const circular = versionOf('2', 'reading() {}', { inputs: [...y, { metric: 'm' }], outputs: x });
    spool.ops.stageBundle(circular.hash, circular.bytes);
    const next = { name: NAME, hash: circular.hash, config: '{}' };
    await pipeline.deploy({ targetOf: (kept) => [beside, takeOver(kept.get(NAME), next)], hashesNeeded: [] });
    await read(1);
    expect(pipeline.status()).toMatchObject([
      { name: NAME, version: '1', state: 'running', inPlaceOf: { reason: expect.stringContaining('in a circle') } },
      { name: 'neighbour', state: 'running' },
    ]);
    expect(sent(spool).counts).toEqual([1]);
  });
});
