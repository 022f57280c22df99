import { columnsOf, readingsOf } from '@weir/protocols';
import {
  type Deployed,
  emptyStepOutput,
  type FoldHost,
  type FoldStatus,
  type StepInput,
  type StepOutput,
  type TimeMove,
} from '@weir/runtime';
import { onTestFinished } from 'vitest';
import type { Stamp } from '../clock/agent-clock.ts';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, numbered } from '../spool/spool.fixture.ts';
import { Pipeline } from './pipeline.ts';
import { NO_REQUESTS } from './requests.fixture.ts';
import { NO_TRIAL } from './trial.fixture.ts';

/** A host whose only state is the sum of all values; it emits the sum after each step. */
export class SummingHost implements FoldHost {
  sum = 0;
  disposed = false;
  steps: StepInput[] = [];
  ticks: Parameters<FoldHost['tick']>[] = [];
  /** With how many steps there were before. */
  moves: { move: TimeMove; steps: number }[] = [];

  async deploy(_wanted: readonly Deployed[], states: ReadonlyMap<string, string>): Promise<StepOutput> {
    this.sum = Number(states.get('sum') ?? this.sum);
    return emptyStepOutput();
  }

  async step(input: StepInput): Promise<StepOutput> {
    this.steps.push(input);
    for (const { value } of readingsOf(input.columns)) this.sum += value as number;
    const emitted = columnsOf([{ sensor: 'sum', metric: 'sum', value: this.sum, ts: 1 }]);
    const states = [{ fold: 'sum', json: String(this.sum) }];
    return { ...emptyStepOutput(), states, emitted };
  }

  async tick(...tick: Parameters<FoldHost['tick']>): Promise<StepOutput> {
    this.ticks.push(tick);
    return emptyStepOutput();
  }

  async event(): Promise<undefined> {}

  status(): FoldStatus[] {
    return [];
  }

  moveTime(move: TimeMove): StepOutput {
    this.moves.push({ move, steps: this.steps.length });
    return emptyStepOutput();
  }

  dispose(): void {
    this.disposed = true;
  }
}

interface Start {
  spool?: HeldSpool;
  stamp?: () => Stamp;
  host?: (onStatus: () => void) => FoldHost;
}

export function startPipeline({ spool = new HeldSpool(), host, stamp }: Start = {}) {
  const clock = new TestClock();
  const hosts: SummingHost[] = [];
  const failures: string[] = [];
  let statusesTold = 0;
  let passedBytes = 0;
  let damagedBytes = 0;
  const pipeline = new Pipeline(
    {
      spool,
      clock,
      ...(stamp && { stamp }),
      createHost: (onStatus) => {
        if (host !== undefined) return host(onStatus);
        hosts.push(new SummingHost());
        return hosts.at(-1)!;
      },
      createTrialHost: () => new SummingHost(),
      requests: NO_REQUESTS,
      commands: { add: () => {} },
      isConnected: () => true,
      onCommitted: (commit) => {
        passedBytes += commit.passedBytes;
      },
      onDamaged: (bytes) => {
        damagedBytes += bytes;
      },
      onLogs: () => {},
      onUncommitted: () => {},
      onStatus: () => statusesTold++,
      onFailure: (_what, error) => failures.push(error.message),
      log: () => {},
    },
    { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
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
  const told = () => statusesTold;
  const counted = { passed: () => passedBytes, damaged: () => damagedBytes };
  return { spool, clock, hosts, failures, told, pipeline, arrive, committed, sumTo, ...counted };
}
