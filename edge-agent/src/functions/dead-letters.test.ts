import { type columnsOf, type Json, type Report, readingsOf } from '@weir/protocols';
import {
  type Deployed,
  emptyStepOutput,
  type FoldEvent,
  type FoldHost,
  type FoldStatus,
  type StepOutput,
} from '@weir/runtime';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { Commands } from '../commands/commands.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { letterOf, readingsIn } from './dead-letter.fixture.ts';
import { DeadLetters } from './dead-letters.ts';
import { Pipeline } from './pipeline.ts';
import { NO_REQUESTS } from './requests.fixture.ts';
import { NO_TRIAL } from './trial.fixture.ts';

/** What the function of every run cannot take. */
let bad: Set<number>;
let isThere: boolean;
/** Whether what the hub wants to run runs. */
let isSettled: boolean;
beforeEach(() => {
  bad = new Set();
  isSettled = true;
  isThere = true;
});

const readingOf = (value: number) => ({ sensor: 's', metric: 'm', value, ts: 1_700_000_000_000 + value });

/** Adds up what it takes: an input that is taken twice shows in the sum. */
class SummingHost implements FoldHost {
  #sum = 0;

  async deploy(_wanted: readonly Deployed[], states: ReadonlyMap<string, string>): Promise<StepOutput> {
    this.#sum = Number(states.get('mean') ?? 0);
    return emptyStepOutput();
  }

  async step({ position, columns }: Parameters<FoldHost['step']>[0]): Promise<StepOutput> {
    return this.#take(position, columns);
  }

  async event(event: FoldEvent, position: string): Promise<StepOutput | undefined> {
    if (event.kind !== 'replay' || !isThere || event.letter.input.kind !== 'readings') return undefined;
    return this.#take(position, event.letter.input.columns);
  }

  #take(position: string, columns: ReturnType<typeof columnsOf>): StepOutput {
    const values = [...readingsOf(columns)].map(({ value }) => Number(value));
    const left = values.filter((value) => bad.has(value));
    for (const value of values) if (!bad.has(value)) this.#sum += value;
    return {
      ...emptyStepOutput(),
      states: [{ fold: 'mean', json: `${this.#sum}` }],
      deadLetters: left.length === 0 ? [] : [letterOf(position, { input: readingsIn(left.map(readingOf)) })],
    };
  }

  status = (): FoldStatus[] =>
    isThere ? [{ name: 'mean', version: '2', state: 'quarantined', reason: 'it loops' } as FoldStatus] : [];
  tick = async () => emptyStepOutput();
  moveTime = emptyStepOutput;
  dispose = () => {};
}

class Device {
  readonly clock = new TestClock();
  readonly letters: DeadLetters;
  readonly #spool: HeldSpool;
  readonly #pipeline: Pipeline;
  readonly #commands: Commands;

  constructor(spool: HeldSpool) {
    this.#spool = spool;
    const { clock } = this;
    const onFailure = () => {};
    const offerEvent: DeadLettersOffer = (event) => this.#pipeline.offerEvent(event);
    const status = () => new SummingHost().status();
    this.letters = new DeadLetters({ spool, clock, offerEvent, status, isSettled: () => isSettled });
    const agentCommands = new Map([['weir.replay-dead-letters', this.letters.replay]]);
    this.#commands = new Commands({ spool, clock, offerEvent, agentCommands, onReport: () => {}, onFailure });
    this.#pipeline = new Pipeline(
      {
        ...{ spool, clock, onFailure, requests: NO_REQUESTS, commands: this.#commands },
        createHost: () => new SummingHost(),
        createTrialHost: () => new SummingHost(),
        isConnected: () => true,
        onCommitted: () => {},
        onLogs: () => {},
        onUncommitted: () => {},
        log: () => {},
        onStatus: () => {},
      },
      { uncommittedReadingsMax: 10, handoffReadingsMax: 1_000, trial: NO_TRIAL },
    );
  }

  async start(): Promise<this> {
    await this.#pipeline.start();
    await settled();
    return this;
  }

  async arrive(...values: number[]): Promise<void> {
    const arrival = arrivalOf(values.map(readingOf));
    const { id, bytes } = this.#spool.ops.append(arrival);
    this.#pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
    await settled();
  }

  /** The hub says so, as often as it takes. */
  async replay(id: string, ids: string[]): Promise<void> {
    const message = { id, name: 'weir.replay-dead-letters', payload: { ids }, expiresIn: 3_600_000 };
    await this.#commands.onMessage(new TextEncoder().encode(JSON.stringify(message)));
    await settled();
  }

  /** As kill -9. */
  kill(): void {
    this.#commands.stop();
    void this.#pipeline.stop();
    this.#spool.forget();
  }
}

type DeadLettersOffer = ConstructorParameters<typeof DeadLetters>[0]['offerEvent'];

function told({ ops }: HeldSpool): Report[] {
  const room = { total: 99, others: 99, readings: 0, report: 99, backfill: 0 };
  return ops.nextBatches({ alert: 0, live: 0, report: 0, backfill: 0 }, room, 0).flatMap(({ payload }) => {
    const batch = sentBatch(payload);
    return batch.kind === 'reports' ? batch.reports : [];
  });
}

const sumIn = ({ ops }: HeldSpool) => Number(ops.state().states.get('mean') ?? 0);
const waiting = ({ ops }: HeldSpool) => ops.counts().deadLetters.reduce((sum, { count }) => sum + count, 0);
const replay = async (device: Device, ids: Json) => (await device.letters.replay({ ids })).detail;

test('letters are run again from the copy of the device, and the hub is told what became of each', async () => {
  bad = new Set([3, 5, 7]);
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  for (const value of [1, 3, 5, 7]) await device.arrive(value);
  expect([sumIn(spool), waiting(spool)]).toEqual([1, 3]);
  bad = new Set([5]);
  expect(await replay(device, ['mean:2', 'mean:3', 'mean:9'])).toBe('1 run again, 1 failed again, 1 not here any more');
  expect([sumIn(spool), waiting(spool)]).toEqual([4, 2]);
  expect(told(spool).slice(3)).toMatchObject([
    { type: 'dead-letter-gone', id: 'mean:2', reason: 'replayed' },
    { type: 'dead-letter', id: 'mean:3', replays: 1 },
    { type: 'dead-letter-gone', id: 'mean:9', reason: 'unknown' },
  ]);
});

test('a letter whose function is not there, or does not run, is kept, and says what to do', async () => {
  bad = new Set([3]);
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  await device.arrive(3);
  isThere = false;
  expect(await replay(device, ['mean:1'])).toBe('1 not run');
  expect(waiting(spool)).toBe(1);
  expect(told(spool).at(-1)).toMatchObject({
    type: 'dead-letter-kept',
    id: 'mean:1',
    detail: 'mean is not deployed here: deploy it, then replay again',
  });
});

test('a device that comes back first gets what it is to run, and then runs letters again, but does not wait for ever', async () => {
  bad = new Set([3, 5]);
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  for (const value of [3, 5]) await device.arrive(value);
  isSettled = false;
  void device.replay('c1', ['mean:1']);
  await device.clock.advance(20_000);
  expect(waiting(spool)).toBe(2);
  bad.clear();
  isSettled = true;
  await device.clock.advance(1_000);
  expect([sumIn(spool), waiting(spool)]).toEqual([3, 1]);
  isSettled = false;
  void device.replay('c2', ['mean:2']);
  await device.clock.advance(61_000);
  expect([sumIn(spool), waiting(spool)]).toEqual([8, 0]);
});

test('what is no list of letters has failed, and nothing is touched', async () => {
  const device = await new Device(new HeldSpool()).start();
  expect(await device.letters.replay({ ids: 'all' })).toMatchObject({ outcome: 'failed', detail: expect.any(String) });
  expect(await device.letters.remove({})).toMatchObject({ outcome: 'failed' });
});

test('killed at any moment, with a card that fails at times, told again and again: each letter has its effects once', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('arrive' as const), n: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('replay' as const), command: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fix' as const), n: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 1, arbitrary: fc.constantFrom(...(['kill', 'fail', 'hold'] as const)).map((what) => ({ do: what })) },
    { weight: 2, arbitrary: fc.constant({ do: 'mend' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      bad = new Set([2, 4, 6, 8]);
      const spool = new HeldSpool();
      let device = await new Device(spool).start();
      let total = 0;
      let round = 0;
      const ids = () =>
        spool.db
          .prepare('SELECT id FROM dead_letter')
          .all()
          .map(({ id }) => id as string);
      const mend = async () => {
        spool.failing.clear();
        spool.held.clear();
        spool.release();
        await device.clock.advance(10_000);
      };
      for (const each of steps) {
        if (each.do === 'arrive') {
          total += each.n + (each.n % 4);
          void device.arrive(each.n, each.n % 4);
          await settled();
        } else if (each.do === 'replay') void device.replay(`c${each.command}-${round}`, ids());
        else if (each.do === 'fix') bad.delete(each.n);
        else if (each.do === 'kill') {
          device.kill();
          device = await new Device(spool).start();
        } else if (each.do === 'fail') spool.failing.add('commitStep');
        else if (each.do === 'hold') spool.held.add('commitStep');
        else {
          await mend();
          round++;
        }
      }
      await mend();
      bad.clear();
      await device.replay('last', ids().length > 0 ? ids() : ['none']);
      await device.clock.advance(10_000);
      expect(ids()).toEqual([]);
      expect(sumIn(spool)).toBe(total);
      const letters = new Set(told(spool).flatMap(({ type, id }) => (type === 'dead-letter' ? [id] : [])));
      const gone = told(spool).flatMap((report) =>
        report.type === 'dead-letter-gone' && report.reason === 'replayed' ? [report.id] : [],
      );
      expect(gone.toSorted()).toEqual([...letters].toSorted());
      device.kill();
    }),
    { numRuns: 60 },
  );
}, 30_000);
