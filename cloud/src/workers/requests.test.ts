import { randomBytes } from 'node:crypto';
import {
  type Deployed,
  emptyStepOutput,
  type FoldHost,
  type HttpRequest,
  type SendHttp,
  type StepOutput,
} from '@weir/runtime';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { UsageCounts } from '../usage/counts.ts';
import { failingStore, NO_COMMANDS, record, requestService } from './worker.fixture.ts';
import { createWorkers, type Workers } from './workers.ts';

const manifest = {
  ...{ name: 'ask', version: '1', api: 1 as const, inputs: [], outputs: [], handlers: [], schedules: [] },
  ...{ key: 'device' as const, onError: 'skip' as const, requests: ['https://api.example.com/*'] },
  ...{ timeoutMs: 250, memoryMb: 64 },
};
const bundle = { weir: 1 as const, kind: 'function' as const, manifest, code: 'x' };
const DEPLOYED: Deployed[] = [{ name: 'ask', bundle, hash: 'f'.repeat(64), config: {} }];
const ALLOW = ['https://api.example.com/*'];

/** Asks `perStep` times in each step, and remembers steps and answers. */
function askingHost(perStep: number, body: string): FoldHost {
  let memory = { steps: 0, answers: [] as string[] };
  const output = (more: Partial<StepOutput> = {}): StepOutput => ({
    ...emptyStepOutput(),
    states: [{ fold: 'ask', json: JSON.stringify(memory) }],
    ...more,
  });
  return {
    async deploy(_wanted, states) {
      memory = JSON.parse(states.get('ask') ?? JSON.stringify(memory));
      return emptyStepOutput();
    },
    async step({ position }) {
      memory.steps++;
      const requests = Array.from({ length: perStep }, (_, n): HttpRequest => {
        const { name } = manifest;
        const request = { id: `ask:${position}:${n}`, fold: name, key: '', name: 'x', method: 'POST' as const };
        return { ...request, url: 'https://api.example.com/x', headers: {}, body, timeoutMs: 1_000, retries: 0 };
      });
      return output({ requests });
    },
    async event(event) {
      if (event.kind !== 'response') return undefined;
      const { id, status, error } = event.response;
      memory.answers.push(`${id} ${status ?? error}`);
      return output();
    },
    moveTime: emptyStepOutput,
    tick: async () => emptyStepOutput(),
    status: () => [],
    dispose: () => {},
  };
}

let log: Log;
let store: Store;
let keys: string[];
const started: Workers[] = [];

beforeEach(() => {
  log = createMemoryLog({ partitions: 1 });
  store = createMemoryStore();
  keys = [];
});
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

interface Start {
  send?: SendHttp;
  through?: Store;
  perStep?: number;
  body?: string;
}

async function start({ send = fine, through = store, perStep = 1, body = '' }: Start = {}): Promise<Workers> {
  const workers = createWorkers(
    {
      ...{ log, store: through, downlink: createMemoryDownlink(), events: createHubEvents(), reports: {} },
      usage: { keepMs: 86_400_000, counts: new UsageCounts() },
      commands: NO_COMMANDS,
      fleet: {
        cloudDeployments: async () => ({ revision: 1, deployed: DEPLOYED }),
        cloudStatus: async () => {},
        cloudBundle: async () => bundle,
        refused: async () => {},
      },
      requests: requestService({
        allow: ALLOW,
        send: (call, signal) => {
          keys.push(call.headers['idempotency-key']!);
          return send(call, signal);
        },
      }),
      wakeNotifier: () => {},
      makeHost: () => askingHost(perStep, body),
      logger: pino({ level: 'silent' }),
      clock: systemClock,
      random: (bytes) => randomBytes(bytes),
    },
    { tickMs: 5, retryMs: 1 },
  );
  started.push(workers);
  await workers.start();
  return workers;
}

const fine: SendHttp = async () => ({ status: 200, headers: {}, body: '' });
const never: SendHttp = (_call, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))));

async function memory(device = 'gw1'): Promise<{ steps: number; answers: string[] } | undefined> {
  const item = await store.get({ table: 'fold', partition: device, sort: 'state/ask' });
  return item?.bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(item.bytes));
}

async function waiting(): Promise<string[]> {
  const { items } = await store.query({ table: 'request', partition: '0' });
  return items.flatMap(({ json }) => (json as { request: HttpRequest }[]).map(({ request }) => request.id));
}

const answered = (count: number) =>
  vi.waitFor(async () => expect((await memory())?.answers).toHaveLength(count), { timeout: 20_000 });

test('what a function in the cloud asks for is sent after the commit, and its answer counts once', async () => {
  const workers = await start();
  await log.append([record(0, 1)]);
  await answered(1);
  expect(keys).toEqual([expect.stringMatching(/^gw1:cloud:ask:.+:0$/)]);
  expect(await waiting()).toEqual([]);
  expect(workers.counts()).toMatchObject({ requestsAnswered: 1, requestsRefused: 0, requestsDead: 0 });
});

test('two devices that run the same function never share an idempotency key', async () => {
  await start();
  await log.append([record(0, 1), record(0, 1, { device: 'gw2' })]);
  await answered(1);
  await vi.waitFor(async () => expect((await memory('gw2'))?.answers).toHaveLength(1));
  expect(new Set(keys).size).toBe(2);
});

test('many requests of one step are in the write of that step, and each answer takes out its own', async () => {
  const workers = await start({ perStep: 60, body: 'x'.repeat(5_000) });
  await log.append([record(0, 1)]);
  await answered(60);
  expect(new Set((await memory())!.answers).size).toBe(60);
  expect(await waiting()).toEqual([]);
  expect(workers.counts()).toMatchObject({ requestsAnswered: 60, requestsDropped: 0 });
});

test('a request that no item of the store could hold is answered with an error', async () => {
  await start({ body: '\u0001'.repeat(60_000) });
  await log.append([record(0, 1)]);
  await answered(1);
  expect((await memory())!.answers[0]).toMatch(/it has \d+ bytes, over 300000/);
  expect(keys).toEqual([]);
});

test('a hub that ended before the answer was kept asks again under the same key', async () => {
  const first = await start({ send: never });
  await log.append([record(0, 1)]);
  await vi.waitFor(() => expect(keys).toHaveLength(1));
  await first.stop();
  expect(await waiting()).toHaveLength(1);
  await start();
  await answered(1);
  expect(keys[1]).toBe(keys[0]);
  expect((await memory())!.steps).toBe(1);
});

test('a request that nobody answers is told to the function and kept as a dead letter, with what it was', async () => {
  const workers = await start({ send: async () => ({ status: 500, headers: {}, body: '' }), body: 'please' });
  await log.append([record(0, 1)]);
  await answered(1);
  expect(await waiting()).toEqual([]);
  const { items } = await store.query({ table: 'dead-letter', partition: 'ask' });
  expect(items).toMatchObject([
    {
      json: {
        ...{ device: 'gw1', where: 'cloud', fault: { kind: 'unanswered', message: 'HTTP 500, after 1 attempt' } },
        input: { kind: 'event', handler: 'request', value: expect.stringContaining('"body":"please"') },
      },
    },
  ]);
  expect(workers.counts()).toMatchObject({ requestsDead: 1, deadLetters: 1 });
});

describe('whatever becomes of a write, an answer counts once', () => {
  test.each([
    ['the step fails', ['before']],
    ['the step is kept but it is not told so', ['after']],
    ['the answer fails', ['ok', 'before', 'before']],
    ['the answer is kept but it is not told so', ['ok', 'after']],
    ['another was first with the answer', ['ok', 'conflict']],
  ])('%s', async (_, plan) => {
    await start({ through: failingStore(store, [...plan]) });
    await log.append([record(0, 1)]);
    await answered(1);
    await log.append([record(1, 1)]);
    await answered(2);
    expect(await memory()).toMatchObject({ steps: 2 });
    expect(new Set((await memory())!.answers).size).toBe(2);
    expect(await waiting()).toEqual([]);
  });
});

test('two hubs that hold one partition may both ask, but the function hears of it once', async () => {
  const release = Promise.withResolvers<void>();
  const held: SendHttp = async (call, signal) => {
    await release.promise;
    return fine(call, signal);
  };
  await start({ send: held });
  await log.append([record(0, 1)]);
  await vi.waitFor(() => expect(keys).toHaveLength(1));
  await start({ send: held });
  await vi.waitFor(() => expect(keys).toHaveLength(2));
  release.resolve();
  await answered(1);
  await log.append([record(1, 1)]);
  await answered(2);
  expect(new Set((await memory())!.answers).size).toBe(2);
  expect(await waiting()).toEqual([]);
});
