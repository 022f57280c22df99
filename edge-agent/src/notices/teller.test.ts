import type { AlertTransition } from '@weir/protocols';
import { type HttpCall, RequestFailure, type SendHttp } from '@weir/runtime';
import { beforeEach, expect, test, vi } from 'vitest';
import { settled } from '../clock/clock.fixture.ts';
import { defaultConfig } from '../config/config.ts';
import type { LocalPublish } from '../intake/broker.ts';
import { alertOf, openInMemory, stepOf } from '../spool/spool.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import { noticeChannels } from './config.ts';
import { noticeTeller, type Teller } from './teller.ts';

const alerts = {
  ...defaultConfig().alerts,
  giveUp: 3_600_000,
  channels: [
    { name: 'lan', webhook: 'http://192.168.1.2/hook', headers: { 'x-plant': '7' }, minSeverity: 'info' as const },
    { name: 'dead', webhook: 'http://192.168.1.3/', headers: {}, minSeverity: 'info' as const },
    { name: 'local', mqtt: 'alerts/{rule}/{sensor}', minSeverity: 'info' as const },
  ],
};

let ops: ReturnType<typeof openInMemory>;
let now: number;
let timers: { at: number; run: () => void }[];
let calls: HttpCall[];
let said: LocalPublish[];
let answer: (call: HttpCall) => number | Error;
let step: number;

beforeEach(() => {
  ops = openInMemory({ notices: { channels: noticeChannels(alerts), waitingMax: 100, topicsMax: 10 } });
  now = 1_700_000_000_000;
  timers = [];
  calls = [];
  said = [];
  step = 0;
  answer = ({ url }) => (url.hostname === '192.168.1.3' ? new RequestFailure('ECONNREFUSED', true) : 200);
});

const clock = {
  now: () => now,
  monotonic: () => now,
  after(ms: number, run: () => void) {
    const timer = { at: now + ms, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((each) => each !== timer);
    };
  },
  soon: (run: () => void) => run(),
};

function teller(): Teller {
  const call = async (name: string, ...args: unknown[]) =>
    (ops as unknown as Record<string, (...of: unknown[]) => unknown>)[name]!(...args);
  const spool = { call, close: async () => {} } as unknown as Spool;
  const send: SendHttp = async (request) => {
    calls.push(request);
    const status = answer(request);
    if (status instanceof Error) throw status;
    return { status, headers: {} };
  };
  const publish = async (message: LocalPublish) => void said.push(message);
  const onFailure = (what: string, error: Error) => {
    throw new Error(what, { cause: error });
  };
  const secrets = new Map([['lan', `whsec_${Buffer.alloc(32).toString('base64')}`]]);
  return noticeTeller({ spool, clock, random: () => 0.5, publish, onFailure }, alerts, { send, secrets });
}

const commit = (...transitions: AlertTransition[]) => ops.commitStep(stepOf(++step, { alerts: transitions, now }));
const firing = (over: Partial<AlertTransition> = {}) => ({ ...alertOf(1), sensor: 'oven1', ...over });
const over = firing({ seq: 2, state: 'resolved', reason: 'cleared' });
const to = (host: string) =>
  calls.filter(({ url }) => url.hostname === host).map(({ headers }) => headers['webhook-id']);
const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 20_000, interval: 1 });

/** Moves the clock, and runs what falls due. */
function pass(ms: number): void {
  now += ms;
  const due = timers.filter(({ at }) => at <= now);
  timers = timers.filter(({ at }) => at > now);
  for (const { run } of due) run();
}

test('a receiver that is dead delays no other, and each transition is told in order under its key', async () => {
  const all = teller();
  commit(firing(), over);
  await all.start();
  await until(() => expect(to('192.168.1.2')).toEqual(['episode0001-1', 'episode0001-2']));
  await until(() =>
    expect(said.map(({ topic, retain }) => [topic, retain])).toEqual([
      ['alerts/hot/oven1', true],
      ['alerts/hot/oven1', true],
    ]),
  );
  expect(calls[0]!.headers).toMatchObject({ 'x-plant': '7', 'webhook-signature': expect.stringMatching(/^v1,/) });
  expect(new Set(to('192.168.1.3'))).toEqual(new Set(['episode0001-1']));
  const { channels } = await all.status();
  expect(channels).toMatchObject([
    { name: 'lan', where: 'http://192.168.1.2/…', waiting: 0, delivered: 2 },
    { name: 'dead', waiting: 2, delivered: 0, lastError: 'ECONNREFUSED', nextAttemptAt: expect.any(Number) },
    { name: 'local', waiting: 0, delivered: 2 },
  ]);
  await all.stop();
});

test('pain 9, lost between rule and receiver: what a receiver that is away did not take is told when it is back, also after a kill', async () => {
  answer = () => new RequestFailure('away', true);
  const first = teller();
  commit(firing());
  await first.start();
  await until(() => expect(to('192.168.1.2')).toHaveLength(1));
  await first.stop();
  answer = () => 200;
  const again = teller();
  await again.start();
  await until(() => expect(to('192.168.1.2')).toEqual(['episode0001-1', 'episode0001-1']));
  // What the broker forgot is said again at the start.
  await until(() => expect(said.at(-1)).toMatchObject({ topic: 'alerts/hot/oven1', retain: true }));
  await again.stop();
});

test('what is refused every time holds back no other episode, only what follows in its own', async () => {
  answer = ({ body }) => (body?.includes('episode0001') ? 400 : 200);
  const all = teller();
  commit(firing(), over, firing({ episode: 'episode0002' }), firing({ episode: 'episode0003' }));
  await all.start();
  await until(() =>
    expect(new Set(to('192.168.1.2'))).toEqual(new Set(['episode0001-1', 'episode0002-1', 'episode0003-1'])),
  );
  await until(async () =>
    expect((await all.status()).channels[0]).toMatchObject({ waiting: 2, lastError: 'HTTP 400' }),
  );
  answer = () => 200;
  await until(() => expect(timers.length).toBeGreaterThan(0));
  pass(300_000);
  await until(() => expect(to('192.168.1.2').at(-1)).toBe('episode0001-2'));
  await all.stop();
});

test('what nobody took for as long as the configuration says is given up, and counted', async () => {
  answer = () => 503;
  const all = teller();
  commit(firing());
  await all.start();
  await until(() => expect(timers.length).toBeGreaterThan(1));
  pass(3_700_000);
  await until(async () => expect((await all.status()).dropped).toBe(2));
  expect((await all.status()).channels.map(({ waiting }) => waiting)).toEqual([0, 0, 0]);
  await all.stop();
});

test('what was refused and is there no more, for it went at a bound or need not be told, is not looked for again and again', async () => {
  answer = () => 400;
  const all = teller();
  commit(firing());
  await all.start();
  await until(() => expect(timers).toHaveLength(2));
  ops.noticesGivenUp(['lan', 'dead'].flatMap((name) => ops.notices(name, now, 10).notices.map(({ id }) => id)));
  pass(300_000);
  await settled();
  expect(timers).toEqual([]);
  await all.stop();
});
