/** Functions that gather what comes from many devices: everything once, of each device in order. */
import { columnsOf, manifestSchema, readingsOf } from '@weir/protocols';
import { type Deployed, emptyStepOutput, type FoldHost } from '@weir/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Feed } from '../../fleet/fleet.ts';
import { partitionOf } from '../../log/log.ts';
import { encodePresence } from '../../log/presence-record.ts';
import { readHistory } from '../../store/history.ts';
import { drained, Running } from '../running.fixture.ts';
import { alert, alertRecord, failingStore, record, T0 } from '../worker.fixture.ts';
import type { Workers } from '../workers.ts';
import { GATHER_TABLE } from './parts.ts';

type Selector = Feed['inputs'][number];

const GATHERER = 'plant/sum';
const COUNTS: Selector[] = [{ sensor: '*', metric: 'count' }];
const DEVICES = ['gw1', 'gw2', 'gw3', 'gw4'];

function deployed(name: string, outputs: Selector[] = []): Deployed {
  const head = { name, version: '1', api: 1, inputs: [], outputs, schedules: [], timeoutMs: 250, memoryMb: 64 };
  const manifest = manifestSchema.parse({ ...head, handlers: ['reading'] });
  return { name, hash: 'f'.repeat(64), config: {}, bundle: { weir: 1, kind: 'function', manifest, code: 'x' } };
}

const feed = (gatherer: string, more: Partial<Feed> = {}): Feed => {
  const inputs = [{ sensor: '*', metric: 'temperature' }];
  return { gatherer, inputs, handlers: ['reading', 'online', 'offline', 'alert'], ...more };
};

let running: Running;
/** Values on which the gathering host fails, as by a bug. */
let poison: number | undefined;

beforeEach(() => {
  poison = undefined;
  running = new Running({ makeHost: notingHost });
  running.wanted = (device) => (device === GATHERER ? [deployed('sum')] : []);
  running.feeds = (device) => (device.includes('/') ? [] : [feed(GATHERER)]);
});
afterEach(() => running.stop());

/** Its state is what it got, as `<device> <value>`; it emits how much that is, and raises an alert at its tenth input. */
function notingHost(host: string): FoldHost {
  let noted: string[] = [];
  let holds = false;
  const note = (words: string[], at: number) => {
    const before = noted.length;
    noted.push(...words);
    const output = emptyStepOutput();
    output.states.push({ fold: 'sum', json: JSON.stringify(noted) });
    output.emitted = columnsOf([{ sensor: 'sum', metric: 'count', value: noted.length, ts: at }]);
    if (before < 10 && noted.length >= 10) output.alerts.push(alert(1, { device: host, episode: 'tenth000001' }));
    return output;
  };
  return {
    async deploy(wanted, states) {
      const output = emptyStepOutput();
      if (!holds) noted = JSON.parse(states.get('sum') ?? '[]') as string[];
      if (holds && wanted.length === 0) output.states.push({ fold: 'sum', json: null });
      holds = wanted.length > 0;
      return output;
    },
    async step({ columns, device = host, receivedAt }) {
      const values = [...readingsOf(columns)].map(({ value }) => value);
      if (poison !== undefined && values.includes(poison)) throw new Error('a bug of the host');
      return note(
        values.map((value) => `${device} ${value}`),
        receivedAt,
      );
    },
    moveTime: emptyStepOutput,
    tick: async () => emptyStepOutput(),
    async event(event, _position, now) {
      const { device = host } = event as { device?: string };
      if (event.kind === 'presence') return note([`${device} ${event.online ? 'came' : 'went'}`], now);
      if (event.kind === 'alerts')
        return note(
          event.alerts.map(({ episode }) => `${device} ${episode}`),
          now,
        );
      return undefined;
    },
    status: () => [],
    dispose: () => {},
  };
}

async function noted(gatherer = GATHERER): Promise<string[]> {
  const item = await running.store.get({ table: 'fold', partition: gatherer, sort: 'state/sum' });
  return item === undefined ? [] : (JSON.parse(new TextDecoder().decode(item.bytes)) as string[]);
}
const of = async (device: string) => (await noted()).filter((words) => words.startsWith(`${device} `));

/** Nothing waits any more, in the log or for a gatherer. */
async function settled(workers: Workers): Promise<void> {
  await drained(workers);
  await vi.waitFor(async () => expect(await running.store.partitions(GATHER_TABLE)).toEqual({ names: [] }), {
    timeout: 30_000,
    interval: 2,
  });
  await drained(workers);
}

const values = (device: string, from: number, count: number) =>
  Array.from({ length: count }, (_, at) => `${device} ${from + at}`);
const presence = (device: string, online: boolean) => ({
  device,
  lane: 'presence' as const,
  payload: encodePresence({ online, session: { front: 'a', number: 1 } }),
  receivedAt: T0,
});

test('the devices of these tests are in several partitions', () => {
  expect(new Set(DEVICES.map((device) => partitionOf(device, 2))).size).toBe(2);
});

test('what devices send, their coming and going, and their alerts come to one state', async () => {
  for (const device of DEVICES) {
    await running.log.append([presence(device, true), record(0, 2, { device }), presence(device, false)]);
  }
  await running.log.append([alertRecord(0, [alert(1, { device: 'gw2' })], 'gw2')]);
  await settled(await running.start());
  for (const device of DEVICES) {
    const expected = [`${device} came`, `${device} 0`, `${device} 1`, `${device} went`];
    expect(await of(device)).toEqual(device === 'gw2' ? [...expected, 'gw2 episode00001'] : expected);
  }
});

test('what it emits is its history, and its alert bears its name', async () => {
  await running.log.append([record(0, 4), record(4, 8)]);
  const workers = await running.start();
  await settled(workers);
  const { readings } = await readHistory(running.store, GATHERER);
  expect(readings.map(({ id, value }) => `${id} ${value}`)).toEqual([
    'plant/sum/cloud/hub/0 4',
    'plant/sum/cloud/hub/1 12',
  ]);
  const transitions = running.events.flatMap((event) => (event.type === 'transition' ? [event.transition] : []));
  expect(transitions).toMatchObject([{ device: GATHERER, episode: 'tenth000001' }]);
  expect(workers.counts()).toMatchObject({ readings: 12, gathered: 2 });
});

test('it gets its inputs alone: other series stay with their device', async () => {
  running.feeds = () => [feed(GATHERER, { inputs: [{ sensor: '*', metric: 'pressure' }], handlers: ['reading'] })];
  await running.log.append([record(0, 4), presence('gw1', true)]);
  await settled(await running.start());
  expect(await noted()).toEqual([]);
});

test('of what functions of a device emit it gets what they declare; and gatherers feed one another', async () => {
  running.wanted = (device) => {
    if (device === GATHERER || device === 'plant/all') return [deployed('sum', COUNTS)];
    return device === 'gw1' ? [deployed('one', COUNTS)] : [deployed('two')];
  };
  const counts = { inputs: COUNTS };
  running.feeds = (device) => {
    if (device === GATHERER) return [feed('plant/all', counts)];
    return device === 'plant/all' ? [] : [feed(GATHERER, counts)];
  };
  await running.log.append([record(0, 3), record(0, 5, { device: 'gw2' }), record(3, 1)]);
  await settled(await running.start());
  expect(await noted()).toEqual(['gw1 3', 'gw1 4']);
  expect(await noted('plant/all')).toEqual(['plant/sum 1', 'plant/sum 2']);
});

test('whatever fails whenever: each input counts once, those of each device in their order', async () => {
  const sent = fc.array(fc.tuple(fc.constantFrom(...DEVICES), fc.integer({ min: 1, max: 6 }), fc.boolean()), {
    minLength: 1,
    maxLength: 14,
  });
  const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sent, failures, fc.nat(14), async (batches, plan, restartAfter) => {
      const before = running;
      running = new Running({ makeHost: notingHost });
      running.wanted = before.wanted;
      running.feeds = before.feeds;
      const store = failingStore(running.store, [...plan]);
      let workers = await running.start({ store });
      const next = new Map(DEVICES.map((device) => [device, 0]));
      for (const [at, [device, count, isTwice]] of batches.entries()) {
        if (at === restartAfter) {
          await running.stop();
          workers = await running.start({ store });
        }
        const seq = next.get(device)!;
        const batch = record(seq, count, { device });
        await running.log.append(isTwice ? [batch, batch] : [batch]);
        next.set(device, seq + count);
      }
      await settled(workers);
      await running.stop();
      for (const [device, count] of next) expect(await of(device)).toEqual(values(device, 0, count));
      const emitted = (await readHistory(running.store, GATHERER)).readings.map(({ id }) => id);
      expect(emitted).toEqual(emitted.map((_, n) => `plant/sum/cloud/hub/${n}`));
      const total = [...next.values()].reduce((a, b) => a + b);
      const tenth = await running.store.get({ table: 'episode', partition: 'tenth000001', sort: 'state' });
      expect(tenth !== undefined).toBe(total >= 10);
    }),
    { numRuns: 30 },
  );
}, 60_000);

test('two hubs on one log and one store: what each partition hands on still counts once', async () => {
  for (let n = 0; n < 20; n++) {
    await running.log.append(DEVICES.map((device) => record(n * 3, 3, { device })));
  }
  const [a, b] = [await running.start(), await running.start()];
  await settled(a);
  await settled(b);
  for (const device of DEVICES) expect(await of(device)).toEqual(values(device, 0, 60));
});

test('while a gatherer does not get on, partitions are not read: the log keeps what would be too much', async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const makeHost = (device: string) => {
    const host = notingHost(device);
    const { step } = host;
    host.step = async (input) => {
      await gate;
      return step(input);
    };
    return host;
  };
  const workers = await running.start({ makeHost }, { gatherWaitingMax: 2, readMax: 1 });
  // Its own partition waits for it; the other one is held up by what it has handed on.
  const held = DEVICES.find((device) => partitionOf(device, 2) !== partitionOf(GATHERER, 2))!;
  for (let n = 0; n < 12; n++) await running.log.append([record(n, 1, { device: held })]);
  const waiting = async () => (await running.store.query({ table: GATHER_TABLE, partition: GATHERER })).items.length;
  await vi.waitFor(async () => expect(await waiting()).toBeGreaterThanOrEqual(2));
  expect(await workers.lag()).toBeGreaterThanOrEqual(9);
  expect(await waiting()).toBeLessThanOrEqual(3);
  open();
  await settled(workers);
  expect(await of(held)).toEqual(values(held, 0, 12));
});

test('an input on which the host fails is kept aside, and holds up nothing behind it', async () => {
  poison = 5;
  await running.log.append([record(0, 5), record(5, 1), record(6, 2), record(0, 3, { device: 'gw2' })]);
  await settled(await running.start({}, { attemptsMax: 2, readMax: 1 }));
  expect(running.refused).toEqual([{ device: GATHERER, reason: 'functions-failed' }]);
  expect(await of('gw1')).toEqual(values('gw1', 0, 8).filter((words) => words !== 'gw1 5'));
  expect(await of('gw2')).toEqual(values('gw2', 0, 3));
});

test('what was handed on to a function that has been taken off is let go', async () => {
  running.wanted = () => [];
  await running.log.append([record(0, 5)]);
  const workers = await running.start();
  await settled(workers);
  expect(await noted()).toEqual([]);
  expect(workers.counts().gathered).toBe(0);
});
