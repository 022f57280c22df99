import type { CommandMessage, Report } from '@weir/protocols';
import {
  type DeadLetter,
  type Deployed,
  emptyStepOutput,
  type FoldEvent,
  type FoldHost,
  type StepOutput,
} from '@weir/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { Pipeline } from '../functions/pipeline.ts';
import { NO_REQUESTS } from '../functions/requests.fixture.ts';
import { NO_TRIAL } from '../functions/trial.fixture.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { type AgentCommands, ping } from './agent-commands.ts';
import { Commands } from './commands.ts';

const HOUR_MS = 3_600_000;
const OPEN: CommandMessage = { id: 'c1', name: 'open', payload: null, expiresIn: HOUR_MS };

/** A function `note` that writes down the commands it gets; `echo` makes it send one to itself. */
class NotingHost implements FoldHost {
  #notes: string[] = [];

  async deploy(_wanted: readonly Deployed[], states: ReadonlyMap<string, string>): Promise<StepOutput> {
    this.#notes = JSON.parse(states.get('note') ?? '[]');
    return emptyStepOutput();
  }

  async event(event: FoldEvent, position: string): Promise<StepOutput | undefined> {
    if (event.kind !== 'command' || (event.command.function ?? 'note') !== 'note') return undefined;
    const { name, payload } = event.command;
    if (name === 'fail') return { ...emptyStepOutput(), deadLetters: [letter] };
    this.#notes.push(`${name} ${JSON.stringify(payload)}`);
    const output = { ...emptyStepOutput(), states: [{ fold: 'note', json: JSON.stringify(this.#notes) }] };
    const commands = name === 'echo' ? [{ id: `note:${position}:0`, name: 'echoed', payload }] : [];
    return { ...output, commands };
  }

  step = async () => emptyStepOutput();
  tick = async () => emptyStepOutput();
  moveTime = emptyStepOutput;
  status = () => [];
  dispose = () => {};
}

const letter: DeadLetter = {
  ...{ id: 'note:1', fold: 'note', version: '1', hash: 'f'.repeat(64), at: 0 },
  ...{ kind: 'threw', message: 'no valve', stack: '' },
  input: { kind: 'event', handler: 'command', value: null, at: 0, device: 'gw1' },
};

class Device {
  readonly clock: TestClock;
  readonly failures: string[] = [];
  readonly commands: Commands;
  readonly #spool: HeldSpool;
  readonly #pipeline: Pipeline;

  constructor(
    spool: HeldSpool,
    agentCommands: AgentCommands = new Map([['weir.ping', ping]]),
    clock = new TestClock(),
  ) {
    this.clock = clock;
    this.#spool = spool;
    const onFailure = (what: string, error: Error) => this.failures.push(`${what}: ${error.message}`);
    this.commands = new Commands({
      ...{ spool, clock, agentCommands, onFailure },
      offerEvent: (event) => this.#pipeline.offerEvent(event),
      onReport: () => {},
    });
    this.#pipeline = new Pipeline(
      {
        ...{ spool, clock, onFailure, requests: NO_REQUESTS, commands: this.commands },
        createHost: () => new NotingHost(),
        createTrialHost: () => new NotingHost(),
        isConnected: () => true,
        onCommitted: () => {},
        onLogs: () => {},
        onUncommitted: () => {},
        log: () => {},
        onStatus: () => {},
      },
      { uncommittedReadingsMax: 10, handoffReadingsMax: 10, trial: NO_TRIAL },
    );
  }

  async start(): Promise<this> {
    await this.#pipeline.start();
    await settled();
    return this;
  }

  async receive(message: object | string): Promise<void> {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    await this.commands.onMessage(new TextEncoder().encode(text));
    await settled();
  }

  /** As kill -9: what is under way is never heard of again. */
  kill(): void {
    this.commands.stop();
    void this.#pipeline.stop();
    this.#spool.forget();
  }

  get notes(): string[] {
    return JSON.parse(this.#spool.ops.state().states.get('note') ?? '[]');
  }
}

function answersIn({ ops }: HeldSpool): string[] {
  const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
  const room = { total: 9, others: 9, readings: 9, report: 9, backfill: 9 };
  const reports = ops.nextBatches(cursors, room, 0).flatMap(({ payload }): Report[] => {
    const batch = sentBatch(payload);
    return batch.kind === 'reports' ? batch.reports : [];
  });
  return reports.flatMap((report) => {
    if (report.type !== 'command-done') return [];
    const { id, outcome, detail } = report;
    return detail === undefined ? `${id} ${outcome}` : `${id} ${outcome}: ${detail}`;
  });
}

test('a command of the hub is run once, however often it comes, and answered each time it comes after that', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  await device.receive({ ...OPEN, payload: { percent: 40 } });
  expect(device.notes).toEqual(['open {"percent":40}']);
  expect(answersIn(spool)).toEqual(['c1 done']);
  await device.receive(OPEN);
  expect(device.notes).toHaveLength(1);
  expect(answersIn(spool)).toEqual(['c1 done', 'c1 done']);
});

test('an answer of the spool that is late, and speaks of a command that has ended since, does not run it again', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  spool.ops.takeCommand(OPEN, device.clock.now());
  const kept = spool.ops.state().commands;
  for (const late of [kept, kept]) {
    device.commands.add(late);
    await settled();
  }
  expect(device.notes).toEqual(['open null']);
  expect(answersIn(spool)).toEqual(['c1 done']);
});

test('a command that was kept, though the answer was that the disk had failed, is run when it comes again', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  spool.ops.takeCommand(OPEN, device.clock.now());
  await device.receive(OPEN);
  expect(device.notes).toEqual(['open null']);
});

test('a command that was kept, though the answer was that the disk had failed, is run before one that was sent behind it', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  spool.unsynced.add('takeCommand');
  await device.receive(OPEN);
  spool.unsynced.clear();
  await device.receive({ ...OPEN, id: 'c2', name: 'close', after: 'c1' });
  expect(device.notes).toEqual(['open null', 'close null']);
});

test('a command that the disk had no room for holds up those that were sent behind it until it comes again', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  spool.failing.add('takeCommand');
  await device.receive(OPEN);
  spool.failing.clear();
  const behind = { ...OPEN, id: 'c2', name: 'close', after: 'c1' };
  await device.receive(behind);
  expect(device.notes).toEqual([]);
  await device.receive(OPEN);
  await device.receive(behind);
  expect(device.notes).toEqual(['open null', 'close null']);
  expect(answersIn(spool)).toEqual(['c1 done', 'c2 done']);
});

test.each<[string, object, string]>([
  [
    'of a function that is not there',
    { ...OPEN, function: 'other' },
    'c1 unknown-function: no function other here runs and handles commands',
  ],
  ['that a function fails at', { ...OPEN, name: 'fail' }, 'c1 failed: note threw: no valve'],
  ['for the agent itself', { ...OPEN, name: 'weir.ping' }, 'c1 done'],
  [
    'that the agent does not know',
    { ...OPEN, name: 'weir.fly' },
    'c1 unknown-function: this agent knows no command weir.fly',
  ],
  [
    'that is not valid',
    { ...OPEN, name: 'a/b' },
    'c1 failed: name: letters, digits and . _ : - ; at most 64, a letter or digit first',
  ],
])('a command %s is answered', async (_what, message, answer) => {
  const spool = new HeldSpool();
  await (await new Device(spool).start()).receive(message);
  expect(answersIn(spool)).toEqual([answer]);
  expect(spool.ops.state().commands).toEqual([]);
});

test('a function may handle a command with a name of the agent, if it is named', async () => {
  const device = await new Device(new HeldSpool()).start();
  await device.receive({ ...OPEN, name: 'weir.ping', function: 'note' });
  expect(device.notes).toEqual(['weir.ping null']);
});

test('what cannot be read at all is told here, for nobody can be answered', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  await device.receive('open the valve');
  expect(device.failures).toEqual([expect.stringContaining('a command of the hub was not taken: a command is JSON')]);
  expect(answersIn(spool)).toEqual([]);
});

test('a command whose time is over when its turn comes is not run', async () => {
  const spool = new HeldSpool();
  const before = new Device(spool);
  await before.commands.onMessage(new TextEncoder().encode(JSON.stringify(OPEN)));
  before.kill();
  const clock = new TestClock(before.clock.now() + HOUR_MS);
  const device = await new Device(spool, new Map(), clock).start();
  expect(device.notes).toEqual([]);
  expect(answersIn(spool)).toEqual(['c1 expired']);
});

test('a command that a function sends to this device comes back to the functions here, with no hub', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  await device.receive({ ...OPEN, name: 'echo', payload: 7 });
  expect(device.notes).toEqual(['echo 7', 'echoed 7']);
  expect(answersIn(spool)).toEqual(['c1 done']);
});

test('a command of the agent that throws has failed; what it reports goes with its end', async () => {
  const spool = new HeldSpool();
  const extra: Report = { type: 'command-done', id: 'extra', ts: 1, outcome: 'done' };
  const agentCommands: AgentCommands = new Map([
    ['weir.throw', () => Promise.reject(new Error('no such log'))],
    ['weir.tell', async () => ({ outcome: 'done', reports: [extra] })],
  ]);
  const device = await new Device(spool, agentCommands).start();
  await device.receive({ ...OPEN, name: 'weir.throw' });
  await device.receive({ ...OPEN, id: 'c2', name: 'weir.tell' });
  expect(answersIn(spool)).toEqual(['c1 failed: no such log', 'c2 done', 'extra done']);
});

test('commands are run in the order in which they came, one that cannot be kept for now holds up those behind it', async () => {
  const spool = new HeldSpool();
  const device = await new Device(spool).start();
  spool.failing.add('endCommand');
  await device.receive({ ...OPEN, name: 'weir.ping' });
  await device.receive({ ...OPEN, id: 'c2' });
  expect(device.notes).toEqual([]);
  spool.failing.clear();
  await device.clock.advance(1_000);
  expect(answersIn(spool)).toEqual(['c1 done', 'c2 done']);
});

test('killed at any moment, with a card that fails at times: each command has its effect once, and its answer', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('receive' as const), n: fc.nat(5), echo: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ do: 'kill' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'fail' as const }) },
    { weight: 2, arbitrary: fc.constant({ do: 'mend' as const }) },
    { weight: 1, arbitrary: fc.constantFrom({ do: 'hold' as const }, { do: 'release' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      const spool = new HeldSpool();
      let device = await new Device(spool).start();
      const sent = new Map<number, boolean>();
      const send = (n: number) =>
        device.receive({ ...OPEN, id: `c${n}`, name: sent.get(n) ? 'echo' : 'open', payload: n });
      for (const each of steps) {
        if (each.do === 'receive') {
          if (!sent.has(each.n)) sent.set(each.n, each.echo);
          void send(each.n);
          await settled();
        } else if (each.do === 'kill') {
          device.kill();
          device = await new Device(spool).start();
        } else if (each.do === 'fail') spool.failing.add('commitStep');
        else if (each.do === 'hold') spool.held.add('commitStep');
        else {
          spool.failing.clear();
          spool.held.clear();
          spool.release();
          await device.clock.advance(10_000);
        }
      }
      spool.failing.clear();
      spool.held.clear();
      spool.release();
      await device.clock.advance(10_000);
      for (const n of sent.keys()) await send(n);
      await device.clock.advance(10_000);
      const expected = [...sent].flatMap(([n, echo]) => (echo ? [`echo ${n}`, `echoed ${n}`] : [`open ${n}`]));
      expect(device.notes.toSorted()).toEqual(expected.toSorted());
      expect(new Set(answersIn(spool))).toEqual(new Set([...sent.keys()].map((n) => `c${n} done`)));
      expect(spool.ops.state().commands).toEqual([]);
      device.kill();
    }),
    { numRuns: 60 },
  );
}, 30_000);
