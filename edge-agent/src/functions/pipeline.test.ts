import { columnsOf, readingsOf } from '@weir/protocols';
import type { Deployed, FoldHost, FoldStatus, StepInput, StepOutput } from '@weir/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, numbered } from '../spool/spool.fixture.ts';
import { Pipeline } from './pipeline.ts';

const EMPTY = columnsOf([]);

/** A host whose only state is the sum of all values; it emits the sum after each step. */
class SummingHost implements FoldHost {
  sum = 0;
  disposed = false;
  steps: StepInput[] = [];

  async deploy(_wanted: readonly Deployed[], states: ReadonlyMap<string, string>): Promise<StepOutput> {
    this.sum = Number(states.get('sum') ?? this.sum);
    return { states: [], emitted: EMPTY, alerts: [], publishes: [], logs: [] };
  }

  async step(input: StepInput): Promise<StepOutput> {
    this.steps.push(input);
    for (const { value } of readingsOf(input.columns)) this.sum += value as number;
    const emitted = columnsOf([{ sensor: 'sum', metric: 'sum', value: this.sum, ts: 1 }]);
    const states = [{ fold: 'sum', json: String(this.sum) }];
    return { states, emitted, alerts: [], publishes: [], logs: [] };
  }

  async tick(): Promise<StepOutput> {
    return { states: [], emitted: EMPTY, alerts: [], publishes: [], logs: [] };
  }

  status(): FoldStatus[] {
    return [];
  }

  dispose(): void {
    this.disposed = true;
  }
}

function startPipeline(limits = { stepReadingsMax: 20, handoffReadingsMax: 100 }) {
  const spool = new HeldSpool();
  const clock = new TestClock();
  const hosts: SummingHost[] = [];
  const failures: string[] = [];
  let passedBytes = 0;
  const pipeline = new Pipeline(
    {
      spool,
      clock,
      createHost: () => {
        hosts.push(new SummingHost());
        return hosts.at(-1)!;
      },
      isConnected: () => true,
      onCommitted: (commit) => {
        passedBytes += commit.passedBytes;
      },
      onLogs: () => {},
      onStatus: () => {},
      onFailure: (_what, error) => failures.push(error.message),
    },
    limits,
  );
  onTestFinished(() => pipeline.stop());
  let next = 0;
  /** A group of readings becomes durable, and is handed over. */
  const arrive = (count: number) => {
    const arrival = arrivalOf(numbered(next, count));
    const { id, bytes } = spool.ops.append(arrival);
    pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
    next += count;
    return bytes;
  };
  const committed = () => ({ position: spool.ops.state().position, sum: Number(spool.ops.state().states.get('sum')) });
  const sumTo = (count: number) => (count * (count - 1)) / 2;
  return { spool, clock, hosts, failures, pipeline, arrive, committed, sumTo, passed: () => passedBytes };
}

test('groups are joined into steps up to the limit, and each reading counts once', async () => {
  const { pipeline, hosts, arrive, committed, sumTo, passed } = startPipeline();
  await pipeline.start();
  const bytes = [8, 8, 8, 8, 50, 1].map(arrive).reduce((sum, each) => sum + each, 0);
  await vi.waitFor(() => expect(committed()).toEqual({ position: 6, sum: sumTo(83) }));
  expect(hosts[0]!.steps.every(({ columns }) => columns.index.length <= 20 || columns.index.length === 50)).toBe(true);
  await vi.waitFor(() => expect(passed()).toBe(bytes));
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
  await pipeline.deploy({ wanted: [], kept, hashesNeeded: [] });
  expect(spool.ops.state().deployments).toEqual(kept);
  arrive(20);
  await vi.waitFor(() => expect(committed().position).toBe(2));
});

test('a deployment that cannot be committed is told so, and what ran before runs on', async () => {
  const { spool, clock, pipeline, arrive, committed, sumTo } = startPipeline();
  await pipeline.start();
  spool.failing.add('commitStep');
  const kept = [{ name: 'sum', hash: 'a'.repeat(64), config: '{}', quarantined: null }];
  await expect(pipeline.deploy({ wanted: [], kept, hashesNeeded: [] })).rejects.toThrow('disk is full');
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
