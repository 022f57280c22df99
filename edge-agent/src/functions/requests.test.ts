import {
  type Deployed,
  emptyStepOutput,
  type FoldEvent,
  type FoldHost,
  type HttpRequest,
  hashBundle,
  type SendHttp,
  type StepInput,
  type StepOutput,
} from '@weir/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { configSchema } from '../config/config.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, numbered } from '../spool/spool.fixture.ts';
import type { OfferedEvent } from './event-queue.ts';
import { Pipeline } from './pipeline.ts';
import { Requests } from './requests.ts';
import { NO_TRIAL } from './trial.fixture.ts';

/** What the function `ask` remembers: the positions of steps it saw, and the answers it got. */
interface Memory {
  steps: number;
  answers: string[];
}

const manifest = {
  ...{ name: 'ask', version: '1', api: 1 as const, inputs: [], outputs: [], handlers: [], schedules: [] },
  ...{ key: 'device' as const, onError: 'skip' as const, requests: ['https://api.example.com/*'] },
  ...{ timeoutMs: 250, memoryMb: 64 },
};
const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'function', manifest, code: 'x' }));

/** Asks once in each step, at `urls` in turn. */
class AskingHost implements FoldHost {
  memory: Memory = { steps: 0, answers: [] };
  readonly #urls: readonly string[];
  readonly #calls: string[];

  constructor(urls: readonly string[], calls: string[]) {
    this.#urls = urls;
    this.#calls = calls;
  }

  async deploy(_wanted: readonly Deployed[], states: ReadonlyMap<string, string>): Promise<StepOutput> {
    this.memory = JSON.parse(states.get('ask') ?? JSON.stringify(this.memory));
    return emptyStepOutput();
  }

  async step({ position }: StepInput): Promise<StepOutput> {
    this.#calls.push('step');
    const url = this.#urls[this.memory.steps % this.#urls.length]!;
    this.memory.steps++;
    return { ...this.#output(), requests: [requestOf(`ask:${position}:0`, url)] };
  }

  async event(event: FoldEvent): Promise<StepOutput | undefined> {
    if (event.kind !== 'response') return undefined;
    this.#calls.push('event');
    const { id, status, error } = event.response;
    this.memory.answers.push(`${id} ${status ?? error}`);
    return this.#output();
  }

  tick = async () => emptyStepOutput();
  moveTime = emptyStepOutput;
  status = () => [];
  dispose = () => {};

  #output(): StepOutput {
    return { ...emptyStepOutput(), states: [{ fold: 'ask', json: JSON.stringify(this.memory) }] };
  }
}

function requestOf(id: string, url: string): HttpRequest {
  const { name } = manifest;
  return { id, fold: name, key: '', name: 'x', method: 'GET', url, headers: {}, timeoutMs: 1_000, retries: 2 };
}

interface Start {
  spool?: HeldSpool;
  send?: SendHttp;
  urls?: string[];
  waitingMax?: number;
}

/** An agent's pipeline, its function deployed, with a network that is the test's. */
async function start({
  spool = new HeldSpool(),
  send,
  urls = ['https://api.example.com/x'],
  waitingMax = 10,
}: Start = {}) {
  const clock = new TestClock();
  const keys: string[] = [];
  const calls: string[] = [];
  const failures: string[] = [];
  const answer: SendHttp = async () => ({ status: 200, headers: {}, body: '' });
  const { functions } = configSchema.parse({
    functions: { requests: { allow: ['https://api.example.com/*'], waitingMax } },
  });
  const onFailure = (what: string) => failures.push(what);
  const requests = new Requests(
    { device: 'gw1', epoch: 'epoch1' },
    {
      clock,
      random: () => 0,
      secret: () => undefined,
      send: (call, signal) => {
        keys.push(call.headers['idempotency-key']!);
        return (send ?? answer)(call, signal);
      },
      offerEvent: (event) => pipeline.offerEvent(event),
      synced: () => spool.call('synced'),
      onFailure,
    },
    functions.requests,
  );
  const commands = { add: () => {} };
  const ports = { spool, clock, requests, commands, isConnected: () => true, onFailure };
  const pipeline: Pipeline = new Pipeline(
    {
      ...ports,
      createHost: () => new AskingHost(urls, calls),
      createTrialHost: () => new AskingHost(urls, calls),
      onCommitted: () => {},
      onLogs: () => {},
      onUncommitted: () => {},
      onStatus: () => {},
      log: () => {},
    },
    { uncommittedReadingsMax: 1, handoffReadingsMax: 1_000, trial: NO_TRIAL },
  );
  const stop = async () => {
    const carried = requests.stop();
    await pipeline.stop();
    await carried;
  };
  onTestFinished(stop);
  const hash = hashBundle(bytes);
  if (spool.ops.bundle(hash) === undefined) {
    spool.ops.stageBundle(hash, bytes);
    const running = [{ name: 'ask', hash, config: '{}', quarantined: null }];
    spool.ops.commitStep({
      ...{ number: 1, states: [], emitted: undefined, alerts: [], publishes: [], through: undefined },
      ...{ deployed: { running, hashesNeeded: [] }, connected: true, now: 0 },
    });
  }
  await pipeline.start();
  let next = 0;
  const arrive = (groups = 1) => {
    for (let i = 0; i < groups; i++) {
      const arrival = arrivalOf(numbered(next++, 1));
      const { id, bytes } = spool.ops.append(arrival);
      pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
    }
  };
  const memory = (): Memory => JSON.parse(spool.ops.state().states.get('ask') ?? '{"steps":0,"answers":[]}');
  const waiting = () => spool.ops.state().requests.map(({ request }) => request.id);
  return { spool, clock, pipeline, requests, keys, calls, failures, arrive, memory, waiting, stop };
}

const never: SendHttp = (_call, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))));

test('a function asks, the host asks for it after the commit, and the answer is in its state when the request is gone', async () => {
  const { arrive, memory, waiting, keys, spool } = await start();
  spool.held.add('commitStep');
  arrive();
  await settled();
  expect(keys).toEqual([]);
  spool.held.clear();
  spool.release();
  await vi.waitFor(() => expect(memory()).toEqual({ steps: 1, answers: ['ask:1:0 200'] }));
  expect(waiting()).toEqual([]);
  expect(keys).toEqual(['gw1:epoch1:ask:1:0']);
});

test('no request leaves before it is on the disk, whatever a commit means there', async () => {
  const spool = new HeldSpool();
  spool.failing.add('synced');
  const { arrive, keys, failures, clock, waiting } = await start({ spool });
  arrive();
  await vi.waitFor(() => expect(failures).toEqual(['requests are not sent as long as they are not on the disk']));
  expect([keys, waiting()]).toEqual([[], ['ask:1:0']]);
  spool.failing.clear();
  await clock.advance(5_000);
  await vi.waitFor(() => expect(keys).toHaveLength(1));
});

test('what was answered while an earlier attempt to have it on the disk was waiting to be made again is not asked once more', async () => {
  const spool = new HeldSpool();
  spool.failing.add('synced');
  const { arrive, keys, clock, failures, memory, waiting } = await start({ spool });
  arrive();
  await vi.waitFor(() => expect(failures).toHaveLength(1));
  spool.failing.clear();
  spool.failing.add('commitStep');
  arrive();
  await vi.waitFor(() => expect(failures).toHaveLength(2));
  spool.failing.clear();
  await clock.advance(2_000);
  await vi.waitFor(() => expect(memory().answers).toEqual(['ask:1:0 200', 'ask:2:0 200']));
  await clock.advance(5_000);
  expect({ keys, answers: memory().answers, waiting: waiting() }).toEqual({
    keys: ['gw1:epoch1:ask:1:0', 'gw1:epoch1:ask:2:0'],
    answers: ['ask:1:0 200', 'ask:2:0 200'],
    waiting: [],
  });
});

test('an answer whose commit fails is answered again, once in effect, without asking the destination twice', async () => {
  const { arrive, memory, keys, spool, clock, failures, waiting } = await start({
    send: async () => {
      spool.failing.add('commitStep');
      return { status: 201, headers: {}, body: '' };
    },
  });
  arrive();
  await vi.waitFor(() => expect(failures).toHaveLength(1));
  expect(memory()).toEqual({ steps: 1, answers: [] });
  expect(waiting()).toEqual(['ask:1:0']);
  spool.failing.clear();
  await clock.advance(2_000);
  await vi.waitFor(() => expect(memory().answers).toEqual(['ask:1:0 201']));
  expect(waiting()).toEqual([]);
  expect(keys).toHaveLength(1);
});

test('an agent that ended before the answer was kept asks again under the same key; the function hears of it once', async () => {
  const spool = new HeldSpool();
  const first = await start({ spool, send: never });
  first.arrive();
  await vi.waitFor(() => expect(first.keys).toHaveLength(1));
  await first.stop();
  expect(first.waiting()).toEqual(['ask:1:0']);

  const second = await start({ spool });
  await vi.waitFor(() => expect(second.memory()).toEqual({ steps: 1, answers: ['ask:1:0 200'] }));
  expect(second.keys).toEqual(first.keys);
  expect(second.waiting()).toEqual([]);
});

test('a request to where nobody has allowed it, or that finds no room, is answered with what to do, and never sent', async () => {
  const urls = [
    'https://evil.org/',
    'https://api.example.com/1',
    'https://api.example.com/2',
    'https://api.example.com/3',
  ];
  const { arrive, memory, keys, requests } = await start({ urls, send: never, waitingMax: 2 });
  arrive(4);
  await vi.waitFor(() => expect(memory().answers).toHaveLength(2));
  expect(memory().answers[0]).toContain('https://evil.org/ is not allowed: add it to functions.requests.allow');
  expect(memory().answers[1]).toContain('2 requests of this function wait already');
  expect(keys).toHaveLength(2);
  expect(requests.status()).toMatchObject({ waiting: 2, refused: 2, dropped: 0, dead: 0 });
});

test('a request that nobody answers is told to the function and kept as a dead letter, with what it was', async () => {
  const { arrive, memory, waiting, spool, clock, requests } = await start({
    send: async () => ({ status: 503, headers: {}, body: '' }),
  });
  arrive();
  await clock.advance(5_000);
  await vi.waitFor(() => expect(memory().answers).toEqual(['ask:1:0 503']));
  expect(waiting()).toEqual([]);
  expect(requests.status()).toMatchObject({ waiting: 0, dead: 1 });
  expect(spool.ops.counts().deadLetters).toMatchObject([{ function: 'ask', count: 1 }]);
  const row = spool.db.prepare('SELECT id, fold, json FROM dead_letter').get()!;
  expect(row).toMatchObject({ id: expect.stringMatching(/^ask:request\./), fold: 'ask' });
  expect(JSON.parse(row.json as string)).toMatchObject({
    kind: 'unanswered',
    message: 'HTTP 503, after 3 attempts',
    input: { handler: 'request', value: { id: 'ask:1:0', url: 'https://api.example.com/x' } },
  });
});

test('readings and events take turns: neither waits until the other comes to an end', async () => {
  const { arrive, pipeline, spool, calls } = await start({ send: never });
  spool.held.add('commitStep');
  arrive(2);
  await settled();
  calls.length = 0;
  arrive(4);
  const response = { id: 'ask:9:0', fold: 'ask', key: '', name: 'x' };
  const answers = [1, 2, 3, 4].map((n) => {
    return pipeline.offerEvent({ event: { kind: 'response', response }, position: `response.${n}` });
  });
  spool.held.clear();
  spool.release();
  await Promise.all(answers);
  await vi.waitFor(() => expect(calls.slice(0, 8)).toEqual(Array(4).fill(['event', 'step']).flat()));
});

test('an event that brings about nothing writes nothing, and one that the agent does not get to is told so', async () => {
  const { pipeline, spool, stop } = await start();
  const { step } = spool.ops.state();
  const presence: OfferedEvent = { event: { kind: 'presence', online: true }, position: 'presence.1' };
  await pipeline.offerEvent(presence);
  expect(spool.ops.state().step).toBe(step);
  spool.held.add('commitStep');
  const response = { id: 'ask:9:0', fold: 'ask', key: '', name: 'x' };
  const offered = pipeline.offerEvent({ event: { kind: 'response', response }, position: 'response.9' });
  const late = expect(offered).rejects.toThrow('the agent stops');
  await settled();
  const stopped = stop();
  spool.failing.add('commitStep');
  spool.release();
  await stopped;
  await late;
  await expect(pipeline.offerEvent(presence)).rejects.toThrow('the agent stops');
});
