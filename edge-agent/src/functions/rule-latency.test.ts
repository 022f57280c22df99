import type { StepInput, StepOutput } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { alertOf } from '../spool/spool.fixture.ts';
import { SummingHost, startPipeline } from './pipeline.fixture.ts';
import { RuleLatency } from './rule-latency.ts';

const ofRule = { ...alertOf(1), source: { kind: 'rule', name: 'hot', version: '1' } } as const;
const ofFunction = { ...alertOf(2), source: { kind: 'function', name: 'mean', version: '1' } } as const;

test('a bucket has what is within it, with what is in those before', () => {
  const latency = new RuleLatency();
  latency.add([ofRule, ofFunction], 5);
  latency.add([ofRule, ofRule], 6);
  latency.add([ofRule], 3_600_000);
  latency.add([ofFunction], 1);
  const { buckets, sumMs, count } = latency.report;
  expect(buckets.map((each) => each.count)).toEqual([1, ...Array(buckets.length - 1).fill(3)]);
  expect({ sumMs, count }).toEqual({ sumMs: 5 + 12 + 3_600_000, count: 4 });
});

test('a clock that is set back makes no time negative', () => {
  const latency = new RuleLatency();
  latency.add([ofRule], -1_000);
  expect(latency.report).toMatchObject({ sumMs: 0, count: 1 });
});

test('it goes from the arrival of the readings until what they brought about is committed; not so for what fell due', async () => {
  class AlertingHost extends SummingHost {
    override async step(input: StepInput): Promise<StepOutput> {
      return { ...(await super.step(input)), alerts: [ofRule, ofFunction] };
    }

    override async tick(...at: Parameters<SummingHost['tick']>): Promise<StepOutput> {
      return { ...(await super.tick(...at)), alerts: [{ ...ofRule, seq: at[0] }] };
    }
  }
  const host = new AlertingHost();
  const { spool, clock, pipeline, arrive } = startPipeline({ host: () => host });
  await pipeline.start();
  spool.held.add('commitStep');
  arrive(1);
  await vi.waitFor(() => expect(spool.waiting).toHaveLength(1));
  const { receivedAt } = host.steps[0]!;
  await clock.advance(400);
  expect(pipeline.latency.report.count).toBe(0);
  spool.held.clear();
  spool.release();
  await vi.waitFor(() => expect(pipeline.latency.report.count).toBe(1));
  expect(pipeline.latency.report.sumMs).toBe(clock.now() - receivedAt);
  await clock.advance(1_000);
  await vi.waitFor(() => expect(spool.ops.state().lanes[0]).toMatchObject({ nextSeq: 3 }));
  expect(pipeline.latency.report.count).toBe(1);
});
