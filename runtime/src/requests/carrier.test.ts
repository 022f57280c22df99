import { describe, expect, onTestFinished, test } from 'vitest';
import { AllowList } from './allow-list.ts';
import { type AddressPolicy, type CarrierLimits, RequestCarrier } from './carrier.ts';
import { FAILURES_MAX, OPEN_MS } from './circuit.ts';
import {
  type Answer,
  type HttpAnswer,
  type HttpCall,
  RequestFailure,
  type RequestQueue,
  type WaitingRequest,
} from './requests.ts';

type Reply = (answer: HttpAnswer | RequestFailure) => void;
interface Sent {
  call: HttpCall;
  at: number;
  reply: Reply;
}

const OK: HttpAnswer = { status: 200, headers: { 'content-type': 'text/plain', 'set-cookie': ['a'] }, body: 'fine' };
const failed = (status: number, headers = {}): HttpAnswer => ({ status, headers, body: 'no' });
const REFUSED = new RequestFailure('connect ECONNREFUSED', true);

const LIMITS: CarrierLimits = { concurrency: 4, concurrencyPerDestination: 2, perSecond: 1_000, giveUpMs: 600_000 };

/** A carrier whose time, chance and network are the test's. */
function start({
  limits = {},
  addresses = 'any',
}: {
  limits?: Partial<CarrierLimits>;
  addresses?: AddressPolicy;
} = {}) {
  let now = 1_000_000;
  let timers: { at: number; run: () => void }[] = [];
  const sent: Sent[] = [];
  /** Answers at once; undefined: the test does. */
  let answers: ((call: HttpCall) => HttpAnswer | RequestFailure) | undefined;
  const settled: (Answer & { owner: string })[] = [];
  const failures: string[] = [];
  const carrier = new RequestCarrier(
    {
      allow: new AllowList(['https://*.example.com/*', 'http://127.0.0.1:8080/*', 'http://localhost/*']),
      send: (call, signal) =>
        new Promise((resolve, reject) => {
          const reply: Reply = (answer) => (answer instanceof RequestFailure ? reject(answer) : resolve(answer));
          signal.addEventListener('abort', () => reject(new RequestFailure('aborted', true)));
          sent.push({ call, at: now, reply });
          if (answers !== undefined) reply(answers(call));
        }),
      now: () => now,
      after: (ms, run) => {
        const timer = { at: now + ms, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((each) => each !== timer);
        };
      },
      random: () => 0.5,
      onFailure: (what) => failures.push(what),
    },
    { ...LIMITS, ...limits },
    addresses,
  );
  onTestFinished(() => carrier.stop());
  const queue: RequestQueue = {
    settle: async ({ owner }, answer) => void settled.push({ ...answer, owner }),
  };
  const quiet = async () => {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    carrier,
    queue,
    sent,
    settled,
    failures,
    quiet,
    now: () => now,
    answerBy: (by: typeof answers) => {
      answers = by;
    },
    add: async (...requests: WaitingRequest[]) => {
      carrier.add(queue, requests);
      await quiet();
    },
    reply: async (at: number, answer: HttpAnswer | RequestFailure) => {
      sent[at]!.reply(answer);
      await quiet();
    },
    /** Moves on from timer to timer. */
    advance: async (ms: number) => {
      const end = now + ms;
      for (;;) {
        await quiet();
        const due = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((each) => each !== due);
        now = Math.max(now, due.at);
        due.run();
      }
      now = end;
      await quiet();
    },
  };
}

function waiting(
  n: number,
  more: Partial<WaitingRequest['request']> = {},
  rest: Partial<WaitingRequest> = {},
): WaitingRequest {
  const request = {
    ...{ id: `f:1:${n}`, fold: 'f', key: '', name: 'ask', method: 'POST' as const },
    ...{ url: 'https://api.example.com/v1', headers: { 'x-a': 'b' }, body: '{}', timeoutMs: 10_000, retries: 3 },
    ...more,
  };
  return { owner: 'gw1', request, ...rest };
}

test('a request is sent as it was asked for, under a key of its device, and its answer is settled once', async () => {
  const { add, sent, reply, settled } = start();
  await add(waiting(0));
  expect(sent).toHaveLength(1);
  expect(sent[0]!.call).toMatchObject({
    method: 'POST',
    url: new URL('https://api.example.com/v1'),
    headers: { 'x-a': 'b', 'idempotency-key': 'gw1:f:1:0' },
    body: '{}',
  });
  await add(waiting(0));
  await reply(0, OK);
  const response = { id: 'f:1:0', fold: 'f', key: '', name: 'ask', status: 200, body: 'fine' };
  expect(settled).toEqual([
    { owner: 'gw1', isDead: false, response: { ...response, headers: { 'content-type': 'text/plain' } } },
  ]);
  expect(sent).toHaveLength(1);
});

test('a destination that fails twice and then answers is asked three times, later each time', async () => {
  const { add, sent, reply, advance, settled, now } = start();
  await add(waiting(0));
  const began = now();
  await reply(0, failed(503));
  await advance(249);
  expect(sent).toHaveLength(1);
  await advance(1);
  await reply(1, REFUSED);
  await advance(500);
  await reply(2, OK);
  expect(sent.map(({ at }) => at - began)).toEqual([0, 250, 750]);
  expect(settled).toMatchObject([{ isDead: false, response: { status: 200 } }]);
});

describe('what no other attempt would change is answered at once', () => {
  test.each([
    ['a refusal', failed(404), { status: 404, body: 'no' }],
    [
      'a redirect',
      failed(302, { location: 'https://elsewhere.example.org/' }),
      { status: 302, headers: { location: 'https://elsewhere.example.org/' } },
    ],
    ['a body that is too large', { status: 200, headers: {}, fault: 'too large' }, { status: 200, error: 'too large' }],
    ['an address that is not public', new RequestFailure('it is at 10.0.0.1', false), { error: 'it is at 10.0.0.1' }],
  ])('%s', async (_, answer, response) => {
    const { add, reply, settled, advance, sent } = start();
    await add(waiting(0));
    await reply(0, answer);
    expect(settled).toMatchObject([{ isDead: false, response }]);
    await advance(60_000);
    expect(sent).toHaveLength(1);
  });
});

test('after the last attempt the function is told what was said last, and the request is for the dead letters', async () => {
  const { add, answerBy, advance, settled, sent } = start();
  answerBy(() => failed(500));
  await add(waiting(0, { retries: 2 }), waiting(1, { retries: 0, url: 'https://other.example.com/' }));
  await advance(10_000);
  expect(sent).toHaveLength(4);
  expect(settled.map(({ isDead, response }) => ({ isDead, ...response }))).toMatchObject([
    { isDead: true, id: 'f:1:1', status: 500, error: 'HTTP 500, after 1 attempt' },
    { isDead: true, id: 'f:1:0', status: 500, error: 'HTTP 500, after 3 attempts', body: 'no' },
  ]);
});

test('an attempt ends with its time, and a destination that never answers is given up', async () => {
  const { add, advance, settled, sent } = start();
  await add(waiting(0, { timeoutMs: 1_000, retries: 1 }));
  await advance(1_000);
  await advance(250);
  expect(sent).toHaveLength(2);
  await advance(1_000);
  expect(settled).toMatchObject([{ isDead: true, response: { error: 'no answer within 1000 ms, after 2 attempts' } }]);
  expect(settled[0]!.response.status).toBeUndefined();
});

test('Retry-After is kept', async () => {
  const { add, reply, advance, sent } = start();
  await add(waiting(0));
  await reply(0, failed(429, { 'retry-after': '30' }));
  await advance(30_000 + 249);
  expect(sent).toHaveLength(1);
  await advance(1);
  expect(sent).toHaveLength(2);
});

test('one slow destination takes some of the attempts, never all of them', async () => {
  const { add, sent } = start();
  const slow = Array.from({ length: 10 }, (_, n) => waiting(n));
  const others = [waiting(20, { url: 'https://b.example.com/' }), waiting(21, { url: 'https://c.example.com/' })];
  await add(...slow, ...others, waiting(22, { url: 'https://d.example.com/' }));
  expect(sent.map(({ call }) => call.url.host).sort()).toEqual([
    'api.example.com',
    'api.example.com',
    'b.example.com',
    'c.example.com',
  ]);
});

test('who waits longest is asked first, and each place that becomes free is taken', async () => {
  const { add, sent, reply } = start({ limits: { concurrencyPerDestination: 1 } });
  await add(waiting(0), waiting(1), waiting(2));
  for (const n of [0, 1, 2]) {
    expect(sent.at(-1)!.call.headers['idempotency-key']).toBe(`gw1:f:1:${n}`);
    await reply(n, OK);
  }
});

describe('a destination that is down', () => {
  async function openCircuit() {
    const system = start({ limits: { giveUpMs: 60_000 } });
    system.answerBy(() => REFUSED);
    await system.add(...Array.from({ length: FAILURES_MAX }, (_, n) => waiting(n, { retries: 0 })));
    return { ...system, asked: system.sent.length };
  }

  test('is left alone for a time, whoever asks; others are not', async () => {
    const { carrier, add, sent, asked, advance, now } = await openCircuit();
    expect(asked).toBe(FAILURES_MAX);
    expect(carrier.openCircuits()).toEqual([
      { destination: 'https://api.example.com', until: now() + OPEN_MS * 1.1, lastError: 'connect ECONNREFUSED' },
    ]);
    await add(waiting(10), waiting(11), waiting(12, { url: 'https://b.example.com/', retries: 0 }));
    await advance(OPEN_MS);
    expect(sent.slice(asked).map(({ call }) => call.url.host)).toEqual(['b.example.com']);
  });

  test('is probed by one request; when that is answered all the others follow', async () => {
    const { carrier, add, sent, asked, advance, answerBy, reply, settled } = await openCircuit();
    answerBy(undefined);
    await add(waiting(10), waiting(11), waiting(12));
    await advance(OPEN_MS * 1.1);
    expect(sent).toHaveLength(asked + 1);
    await advance(5_000);
    expect(sent).toHaveLength(asked + 1);
    answerBy(() => OK);
    await reply(asked, OK);
    expect(settled.slice(asked).map(({ response }) => response.status)).toEqual([200, 200, 200]);
    expect(carrier.openCircuits()).toEqual([]);
  });

  test('does not keep requests for ever: after a time they are given up unsent, with the reason', async () => {
    const { add, advance, settled, asked } = await openCircuit();
    await add(waiting(10, { retries: 10 }), waiting(11, { retries: 10 }));
    await advance(61_000);
    expect(settled.slice(asked)).toHaveLength(2);
    for (const { isDead, response } of settled.slice(asked)) {
      expect(isDead).toBe(true);
      expect(response.error).toMatch(/^given up after 60 s and \d attempts?, the last: connect ECONNREFUSED$/);
    }
  });
});

test('what is not allowed is never sent, also when it was when it was kept; the function is told what to do', async () => {
  const { add, sent, settled } = start();
  await add(
    waiting(0, {}, { refused: 'there is no room' }),
    waiting(1, { url: 'https://evil.org/x?token=1' }),
    waiting(2, { url: 'https://api.example.com@evil.org/' }),
  );
  expect(sent).toEqual([]);
  const errors = settled.map(({ response }) => response.error);
  expect(errors[0]).toBe('there is no room');
  expect(errors[1]).toBe(
    'https://evil.org/x is not allowed: add it to functions.requests.allow of this host, e.g. https://evil.org/x',
  );
  expect(errors[2]).toContain('holds a user name');
  expect(settled.some(({ isDead }) => isDead)).toBe(false);
});

test('only an address that the operator has named may be private, where others may not', async () => {
  const { add, sent } = start({ addresses: 'public' });
  const urls = ['https://api.example.com/', 'http://127.0.0.1:8080/', 'http://localhost/x'];
  await add(...urls.map((url, n) => waiting(n, { url })));
  expect(sent.map(({ call }) => call.mayBePrivate)).toEqual([false, true, true]);
});

test('a function that asks without end is slowed down, also when it is only refused', async () => {
  const { add, settled, advance } = start({ limits: { perSecond: 10 } });
  await add(...Array.from({ length: 40 }, (_, n) => waiting(n, {}, { refused: 'no' })));
  expect(settled).toHaveLength(10);
  await advance(1_000);
  expect(settled).toHaveLength(20);
});

test('an answer that cannot be kept is offered again, without asking the destination again', async () => {
  const { carrier, sent, reply, advance, failures, quiet } = start();
  const offered: Answer[] = [];
  const queue: RequestQueue = {
    settle: async (_waiting, answer) => {
      offered.push(answer);
      if (offered.length < 3) throw new Error('disk full');
    },
  };
  carrier.add(queue, [waiting(0)]);
  await quiet();
  await reply(0, OK);
  await advance(2_000);
  expect(offered).toHaveLength(3);
  expect(new Set(offered).size).toBe(1);
  expect(failures).toHaveLength(2);
  expect(sent).toHaveLength(1);
});

test('the end of the host cuts off what is under way, and nothing is settled by it', async () => {
  const { carrier, add, settled, advance, sent } = start();
  await add(waiting(0), waiting(1));
  await carrier.stop();
  await advance(60_000);
  await add(waiting(2));
  expect(settled).toEqual([]);
  expect(sent).toHaveLength(2);
});
