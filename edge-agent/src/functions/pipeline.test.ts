import { columnsOf } from '@weir/protocols';
import {
  createFoldHost,
  emptyStepOutput,
  hashBundle,
  type Sandbox,
  type StepInput,
  type StepOutput,
} from '@weir/runtime';
import { describe, expect, test, vi } from 'vitest';
import { settled } from '../clock/clock.fixture.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { alertOf, arrivalOf, numbered, stepOf } from '../spool/spool.fixture.ts';
import { letterOf } from './dead-letter.fixture.ts';
import { SummingHost, startPipeline } from './pipeline.fixture.ts';

test('each group is a step under its own name, however many wait: a restart cuts the same steps', async () => {
  const { spool, pipeline, hosts, arrive, committed, sumTo, passed } = startPipeline();
  await pipeline.start();
  const sizes = [8, 8, 8, 8, 50, 1];
  const bytes = sizes.map(arrive).reduce((sum, each) => sum + each, 0);
  await vi.waitFor(() => expect(committed()).toEqual({ position: 6, sum: sumTo(83) }));
  const steps = sizes.map((count, at) => ({ position: String(at + 1), count }));
  const stepsOf = (host: SummingHost) =>
    host.steps.map(({ position, columns }) => ({ position, count: columns.index.length }));
  expect(stepsOf(hosts[0]!)).toEqual(steps);
  await vi.waitFor(() => expect(passed()).toBe(bytes));

  await pipeline.stop();
  spool.db.exec("UPDATE meta SET value = 2 WHERE key = 'position'");
  const again = startPipeline({ spool });
  await again.pipeline.start();
  await vi.waitFor(() => expect(again.committed().position).toBe(6));
  expect(stepsOf(again.hosts[0]!)).toEqual(steps.slice(2));
});

test('event time does not run ahead of a backlog: a tick says up to when all that arrived was stepped over', async () => {
  const { spool, clock, pipeline, hosts, arrive, committed } = startPipeline();
  await pipeline.start();
  await clock.advance(1_000);
  await vi.waitFor(() => expect(hosts[0]!.ticks).toHaveLength(1));
  spool.held.add('commitStep');
  for (let i = 0; i < 3; i++) arrive(20);
  await vi.waitFor(() => expect(spool.waiting).toHaveLength(2));
  await clock.advance(1_000);
  spool.held.clear();
  spool.release();
  await vi.waitFor(() => expect(committed().position).toBe(3));
  await clock.advance(1_000);
  await vi.waitFor(() => expect(hosts[0]!.ticks).toHaveLength(3));
  const { receivedAt } = hosts[0]!.steps[2]!;
  const [first, behind, last] = hosts[0]!.ticks.map(([now, , arrivedUntil]) => ({ now, arrivedUntil }));
  expect(first!.arrivedUntil).toBe(first!.now);
  expect(behind!.arrivedUntil).toBe(receivedAt);
  expect(receivedAt).toBeLessThan(behind!.now);
  expect(last!.arrivedUntil).toBe(last!.now);
});

test('what was left in the journal by the last run is done first', async () => {
  const { spool, pipeline, committed, sumTo } = startPipeline();
  for (const from of [0, 10, 20]) spool.ops.append(arrivalOf(numbered(from, 10)));
  await pipeline.start();
  await vi.waitFor(() => expect(committed()).toEqual({ position: 3, sum: sumTo(30) }));
});

test('functions that lag fill no memory: what was let go is read back from the journal, in order', async () => {
  const { spool, pipeline, hosts, arrive, committed, sumTo } = startPipeline();
  await pipeline.start();
  spool.held.add('commitStep');
  for (let i = 0; i < 100; i++) arrive(10);
  await vi.waitFor(() => expect(spool.waiting.length).toBe(2));
  spool.held.clear();
  spool.release();
  await vi.waitFor(() => expect(committed()).toEqual({ position: 100, sum: sumTo(1_000) }));
  arrive(5);
  await vi.waitFor(() => expect(committed()).toEqual({ position: 101, sum: sumTo(1_005) }));
  const values = hosts[0]!.steps.flatMap(({ columns }) => [...columns.values]);
  expect(values).toEqual(Array.from({ length: 1_005 }, (_, at) => at));
});

test('after a failed commit nothing computed on top of it is kept; all is done again from what was committed', async () => {
  const { spool, clock, pipeline, hosts, failures, arrive, committed, sumTo } = startPipeline();
  await pipeline.start();
  arrive(20);
  await vi.waitFor(() => expect(committed().position).toBe(1));
  spool.failing.add('commitStep');
  for (let i = 0; i < 5; i++) arrive(20);
  await vi.waitFor(() => expect(failures.length).toBeGreaterThan(0));
  expect(committed()).toEqual({ position: 1, sum: sumTo(20) });
  spool.failing.clear();
  await clock.advance(5_000);
  await vi.waitFor(() => expect(committed()).toEqual({ position: 6, sum: sumTo(120) }));
  expect(hosts.length).toBeGreaterThan(1);
  expect(hosts[0]!.disposed).toBe(true);
  // Readings of the journal and the sums that were emitted: none of a step that was thrown away.
  const { lanes, step } = spool.ops.state();
  expect(lanes.find(({ lane }) => lane === 'live')!.nextSeq).toBe(120 + step);
});

test('a deployment takes its turn between steps, and is kept with what it did', async () => {
  const { spool, pipeline, arrive, committed } = startPipeline();
  await pipeline.start();
  arrive(20);
  const kept = [{ name: 'sum', hash: 'a'.repeat(64), config: '{}', quarantined: null }];
  await pipeline.deploy({ targetOf: () => kept, hashesNeeded: [] });
  expect(spool.ops.state().deployments).toEqual(kept);
  arrive(20);
  await vi.waitFor(() => expect(committed().position).toBe(2));
});

test('a deployment that cannot be committed is told so, and what ran before runs on', async () => {
  const { spool, clock, pipeline, arrive, committed, sumTo } = startPipeline();
  await pipeline.start();
  spool.failing.add('commitStep');
  const kept = [{ name: 'sum', hash: 'a'.repeat(64), config: '{}', quarantined: null }];
  await expect(pipeline.deploy({ targetOf: () => kept, hashesNeeded: [] })).rejects.toThrow('disk is full');
  spool.failing.clear();
  await clock.advance(5_000);
  arrive(20);
  await vi.waitFor(() => expect(committed()).toEqual({ position: 1, sum: sumTo(20) }));
  expect(spool.ops.state().deployments).toEqual([]);
});

test('an idle device writes nothing: a tick without an effect is not committed', async () => {
  const { spool, clock, pipeline } = startPipeline();
  await pipeline.start();
  await clock.advance(60_000);
  expect(spool.ops.state().step).toBe(0);
});

test('what a function could not take is kept also when nothing else came of the step', async () => {
  class FailingHost extends SummingHost {
    override async tick(): Promise<StepOutput> {
      return { ...emptyStepOutput(), deadLetters: [letterOf('tick')] };
    }
  }
  const { spool, clock, pipeline } = startPipeline({ host: () => new FailingHost() });
  await pipeline.start();
  await clock.advance(1_000);
  await vi.waitFor(() => expect(spool.ops.counts().deadLetters).toMatchObject([{ function: 'mean', count: 1 }]));
});

test('a last row that the card has damaged is passed over once, and leaves the processor alone', async () => {
  const { spool, pipeline, arrive, committed, sumTo, damaged } = startPipeline();
  for (const from of [0, 10]) spool.ops.append(arrivalOf(numbered(from, 10)));
  const { id } = spool.ops.append(arrivalOf(numbered(20, 10)));
  spool.db.exec(`UPDATE journal SET bytes = substr(bytes, 1, length(bytes) - 3) WHERE id = ${id}`);
  const left = spool.db.prepare('SELECT length(bytes) AS bytes FROM journal WHERE id = ?').get(id)!.bytes;
  const calls = vi.spyOn(spool, 'call');
  await pipeline.start();
  await vi.waitFor(() => expect(committed()).toEqual({ position: 2, sum: sumTo(20) }));
  await settled();
  expect(calls.mock.calls.filter(([name]) => name === 'journalAfter').length).toBe(2);
  expect(pipeline.lagRows).toBe(0);
  expect(spool.ops.counts().refused).toEqual({ 'journal-damaged': 10 });
  // They were counted as waiting: what is gone must not keep sensors from being acknowledged.
  expect(damaged()).toBe(left);
  arrive(20);
  await vi.waitFor(() => expect(committed()).toEqual({ position: id + 1, sum: sumTo(20) * 2 }));
});

describe('a bundle that the card has damaged', () => {
  const ruleOf = (name: string) => {
    const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'rule', rule: { name, metric: 'm', above: 5 } }));
    const hash = hashBundle(bytes);
    return { bytes, hash, kept: { name, hash, config: '{}', quarantined: null } };
  };
  const [hot, other] = [ruleOf('hot'), ruleOf('other')];
  const host = () => createFoldHost({ device: 'gw1', sandbox: {} as Sandbox });
  const reading = (value: number, at: number) => [{ sensor: 's', metric: 'm', value, ts: 1_700_000_000_000 + at }];
  const damage = (spool: HeldSpool) =>
    spool.db.prepare('UPDATE bundle SET bytes = ? WHERE hash = ?').run(Buffer.from('{"weir":1,'), hot.hash);
  const alertsIn = (spool: HeldSpool) => {
    const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
    const [batch] = spool.ops.nextBatches(cursors, { total: 1, others: 0, readings: 0, report: 0, backfill: 0 }, 0);
    const decoded = batch && sentBatch(batch.payload);
    return decoded?.kind === 'alerts'
      ? decoded.alerts.map(({ state, reason, seq }) => `${seq} ${state} ${reason}`)
      : [];
  };

  /** An agent in which the rule fires, and its spool afterwards. */
  async function fired(): Promise<HeldSpool> {
    const { spool, pipeline } = startPipeline({ host });
    spool.ops.stageBundle(hot.hash, hot.bytes);
    spool.ops.commitStep(stepOf(1, { deployed: { running: [hot.kept], hashesNeeded: [] } }));
    spool.ops.append(arrivalOf(reading(9, 0)));
    await pipeline.start();
    await vi.waitFor(() => expect(alertsIn(spool)).toEqual(['1 firing threshold']));
    await pipeline.stop();
    return spool;
  }

  test('keeps its open episode until it is here again, whatever else is deployed meanwhile', async () => {
    const spool = await fired();
    damage(spool);
    const { pipeline } = startPipeline({ spool, host });
    await pipeline.start();
    expect([...pipeline.damaged]).toEqual(['hot']);
    spool.ops.stageBundle(other.hash, other.bytes);
    await pipeline.deploy({ targetOf: () => [hot.kept, other.kept], hashesNeeded: [] });
    expect(spool.ops.state().states.has('hot')).toBe(true);
    spool.ops.stageBundle(hot.hash, hot.bytes);
    await pipeline.deploy({ targetOf: () => [hot.kept, other.kept], hashesNeeded: [] });
    expect([...pipeline.damaged]).toEqual([]);
    const { id, bytes } = spool.ops.append(arrivalOf(reading(1, 1_000)));
    pipeline.offer({ id, bytes, columns: columnsOf(reading(1, 1_000)), receivedAt: 1_700_000_001_000 });
    await vi.waitFor(() => expect(alertsIn(spool)).toEqual(['1 firing threshold', '2 resolved cleared']));
  });

  test('under a rule that runs leaves it running when something else is deployed', async () => {
    const spool = await fired();
    const { pipeline } = startPipeline({ spool, host });
    await pipeline.start();
    damage(spool);
    spool.ops.stageBundle(other.hash, other.bytes);
    await pipeline.deploy({ targetOf: () => [hot.kept, other.kept], hashesNeeded: [] });
    expect(pipeline.status().map(({ name }) => name)).toEqual(['hot', 'other']);
    expect(alertsIn(spool)).toEqual(['1 firing threshold']);
  });

  test('leaves nothing behind when it is no longer wanted', async () => {
    const spool = await fired();
    damage(spool);
    const { pipeline } = startPipeline({ spool, host });
    await pipeline.start();
    await pipeline.deploy({ targetOf: () => [], hashesNeeded: [] });
    expect([...spool.ops.state().states.keys()]).toEqual([]);
    expect([...pipeline.damaged]).toEqual([]);
  });
});

test('what is computed after the stop began is not committed: a function torn down under way has skipped nothing', async () => {
  const stepped = Promise.withResolvers<void>();
  class TornDownHost extends SummingHost {
    override async step(input: StepInput): Promise<StepOutput> {
      await stepped.promise;
      return super.step(input);
    }
  }
  const spool = new HeldSpool();
  let tell = () => {};
  const host = new TornDownHost();
  const { pipeline, arrive, told, committed, failures } = startPipeline({
    spool,
    host: (onStatus) => {
      tell = onStatus;
      return host;
    },
  });
  await pipeline.start();
  arrive(20);
  await settled();
  await pipeline.stop();
  stepped.resolve();
  await vi.waitFor(() => expect(host.disposed).toBe(true));
  tell();
  expect(host.steps.length).toBe(1);
  expect(committed().position).toBe(0);
  expect([told(), failures]).toEqual([0, []]);
  const next = startPipeline({ spool });
  await next.pipeline.start();
  await vi.waitFor(() => expect(next.committed()).toEqual({ position: 1, sum: next.sumTo(20) }));
});

test('a deployment under way when the agent stops is told so at once', async () => {
  class StuckHost extends SummingHost {
    deploys = 0;
    override deploy(...input: Parameters<SummingHost['deploy']>): Promise<StepOutput> {
      return this.deploys++ === 0 ? super.deploy(...input) : new Promise(() => {});
    }
  }
  const { pipeline } = startPipeline({ host: () => new StuckHost() });
  await pipeline.start();
  const deployed = pipeline.deploy({ targetOf: () => [], hashesNeeded: [] });
  const [outcome] = await Promise.allSettled([deployed, pipeline.stop()]);
  expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'the agent stops' } });
});

test('an alert that the hub would refuse is told and left out: those beside it arrive', async () => {
  class AlertingHost extends SummingHost {
    override async step(input: StepInput): Promise<StepOutput> {
      const endless = { ...alertOf(2), summary: 'x'.repeat(501) };
      return { ...(await super.step(input)), alerts: [alertOf(1), endless, { ...alertOf(3), value: Number.NaN }] };
    }
  }
  const { spool, pipeline, failures, arrive } = startPipeline({ host: () => new AlertingHost() });
  await pipeline.start();
  arrive(20);
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(1));
  expect(failures).toEqual([expect.stringMatching(/^summary: /), expect.stringMatching(/^value: /)]);
  const [alerts] = spool.ops.state().lanes;
  expect(alerts).toMatchObject({ lane: 'alert', items: 1, nextSeq: 1 });
});
