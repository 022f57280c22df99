import { emptyStepOutput, type FoldHost, type StepOutput } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { SummingHost, startPipeline } from './pipeline.fixture.ts';

test('a tick that brings something about is named after the row before it, the same when it is repeated, and after a restart goes on', async () => {
  class TickingHost extends SummingHost {
    override async tick(...tick: Parameters<FoldHost['tick']>): Promise<StepOutput> {
      await super.tick(...tick);
      return { ...emptyStepOutput(), states: [{ fold: 'ticks', json: String(this.ticks.length) }] };
    }
  }
  const spool = new HeldSpool();
  const named: string[] = [];
  const run = async (work: (started: ReturnType<typeof startPipeline>) => Promise<void>) => {
    const hosts: TickingHost[] = [];
    const host = () => {
      hosts.push(new TickingHost());
      return hosts.at(-1)!;
    };
    const started = startPipeline({ spool, host });
    await started.pipeline.start();
    await work(started);
    await started.pipeline.stop();
    named.push(...hosts.flatMap(({ ticks }) => ticks.map(([, position]) => position)));
  };
  await run(async ({ clock, arrive, committed }) => {
    await clock.advance(2_000);
    arrive(20);
    await vi.waitFor(() => expect(committed().position).toBe(1));
    await clock.advance(1_000);
  });
  expect(named.splice(0)).toEqual(['0.tick.1', '0.tick.2', '1.tick.1']);
  await run(async ({ clock, failures }) => {
    spool.failing.add('commitStep');
    await clock.advance(1_000);
    await vi.waitFor(() => expect(failures).toHaveLength(1));
    spool.failing.clear();
    await clock.advance(2_000);
  });
  expect(named).toEqual(['1.tick.2', '1.tick.2', '1.tick.3']);
});
