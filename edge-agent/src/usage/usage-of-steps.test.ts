import { emptyStepOutput, type FoldHost, type FunctionUsage, type StepOutput } from '@weir/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { Pipeline } from '../functions/pipeline.ts';
import { NO_REQUESTS } from '../functions/requests.fixture.ts';
import { NO_TRIAL } from '../functions/trial.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, numbered } from '../spool/spool.fixture.ts';
import { reportsOf, used } from './usage.fixture.ts';

/** Counts readings, and does nothing at a tick. */
function countingHost(): FoldHost {
  const output = (readings: number): StepOutput => ({ ...emptyStepOutput(), usage: [used('count', readings)] });
  return {
    deploy: async () => emptyStepOutput(),
    step: async ({ columns }) => output(columns.index.length),
    moveTime: () => output(0),
    tick: async () => output(0),
    event: async () => undefined,
    status: () => [],
    dispose: () => {},
  };
}

function startPipeline() {
  const spool = new HeldSpool();
  const clock = new TestClock();
  const uncommitted: FunctionUsage[] = [];
  const pipeline = new Pipeline(
    {
      spool,
      clock,
      createHost: countingHost,
      createTrialHost: countingHost,
      requests: NO_REQUESTS,
      commands: { add: () => {} },
      isConnected: () => true,
      onCommitted: () => {},
      onLogs: () => {},
      onUncommitted: (usage) => uncommitted.push(...usage),
      onStatus: () => {},
      onFailure: () => {},
      log: () => {},
    },
    { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
  );
  onTestFinished(() => pipeline.stop());
  let next = 0;
  const arrive = (count: number) => {
    const arrival = arrivalOf(numbered(next, count));
    const { id, bytes } = spool.ops.append(arrival);
    pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
    next += count;
    return id;
  };
  return { spool, clock, pipeline, uncommitted, arrive };
}

test('steps that a full card throws away are repeated and counted once: as many readings as came', async () => {
  const { spool, clock, pipeline, arrive } = startPipeline();
  await pipeline.start();
  let last = 0;
  for (let round = 0; round < 6; round++) {
    if (round % 2 === 0) spool.failing.add('commitStep');
    for (let i = 0; i < 5; i++) last = arrive(7);
    await clock.advance(50);
    spool.failing.clear();
    await clock.advance(10_000);
  }
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(last));
  spool.ops.tellUsage([], true, clock.now());
  expect(reportsOf(spool.ops)).toMatchObject([{ function: 'count', readings: 6 * 5 * 7 }]);
});

test('a tick that changed nothing writes nothing to the card, and what it used is handed on', async () => {
  const { spool, clock, pipeline, uncommitted } = startPipeline();
  await pipeline.start();
  await clock.advance(3_000);
  expect(uncommitted.length).toBe(3);
  expect(spool.ops.state().step).toBe(0);
});
