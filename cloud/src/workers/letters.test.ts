/** Letters on their way through a worker: told by devices, made and run again in the hub. */
import { randomBytes } from 'node:crypto';
import { columnsOf, type Report, readingsOf } from '@weir/protocols';
import { emptyStepOutput, type FoldHost, type FoldStatus, type StepOutput } from '@weir/runtime';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { foldLetter, letterReport } from '../dead-letters/dead-letter.fixture.ts';
import { createDeadLetters, type DeadLetters, lettersReported } from '../dead-letters/dead-letters.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { countHistory, readHistory } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { UsageCounts } from '../usage/counts.ts';
import { anyDeployed, failingStore, NO_COMMANDS, record, reportRecord, requestService } from './worker.fixture.ts';
import { createWorkers, type Workers } from './workers.ts';

/** What the functions of every device do: they cannot take a reading whose value is among `bad`. */
let bad: Set<number>;
/** The host itself fails when a letter with this value is run again. */
let poison: number | undefined;
let runs: boolean;

/** Adds up what it takes, and emits each sum: of an input taken twice there would be one more, and a higher one. */
function summingHost(): FoldHost {
  let sum = 0;
  const take = (position: string, values: readonly number[]): StepOutput => {
    const sums: number[] = [];
    for (const value of values) {
      if (bad.has(value)) continue;
      sum += value;
      sums.push(sum);
    }
    const left = values.filter((value) => bad.has(value));
    return {
      ...emptyStepOutput(),
      states: [{ fold: 'mean', json: `${sum}` }],
      emitted: columnsOf(sums.map((value, ts) => ({ sensor: 'cloud', metric: 'sum', value, ts }))),
      deadLetters: left.length > 0 ? [foldLetter(position, left)] : [],
    };
  };
  const valuesOf = (columns: Parameters<typeof readingsOf>[0]) =>
    [...readingsOf(columns)].map(({ value }) => Number(value));
  return {
    async deploy(_wanted, states) {
      sum = Number(states.get('mean') ?? sum);
      return emptyStepOutput();
    },
    step: async ({ position, columns }) => take(position, valuesOf(columns)),
    moveTime: emptyStepOutput,
    tick: async () => emptyStepOutput(),
    async event(event, position) {
      if (event.kind !== 'replay' || !runs) return undefined;
      const { input } = event.letter;
      if (input.kind === 'readings' && valuesOf(input.columns).includes(poison!)) throw new Error('a bug of the host');
      return take(position, input.kind === 'readings' ? valuesOf(input.columns) : []);
    },
    status: () => [{ name: 'mean', version: '1', state: 'quarantined', reason: 'it loops' } as FoldStatus],
    dispose: () => {},
  };
}

let log: Log;
let store: Store;
let made: { device: string; name: string; payload: unknown }[];
let letters: DeadLetters;
const started: Workers[] = [];

beforeEach(() => {
  log = createMemoryLog({ partitions: 1 });
  store = createMemoryStore();
  made = [];
  bad = new Set();
  poison = undefined;
  runs = true;
});
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

async function start(ownStore = store): Promise<Workers> {
  const deployed = [anyDeployed('mean')];
  const workers = createWorkers(
    {
      log,
      store: ownStore,
      fleet: {
        cloudDeployments: async () => ({ revision: 1, deployed }),
        cloudStatus: async () => {},
        cloudBundle: async () => undefined,
        refused: async () => {},
      },
      downlink: createMemoryDownlink(),
      events: createHubEvents(),
      wakeNotifier: () => {},
      reports: {
        'dead-letter': lettersReported,
        'dead-letter-gone': lettersReported,
        'dead-letter-kept': lettersReported,
      },
      commands: NO_COMMANDS,
      requests: requestService(),
      usage: { keepMs: 86_400_000, counts: new UsageCounts() },
      makeHost: summingHost,
      logger: pino({ level: 'silent' }),
      clock: systemClock,
      random: (bytes) => randomBytes(bytes),
    },
    { retryMs: 1 },
  );
  letters = createDeadLetters({
    store,
    commands: {
      async make(device, { name, payload }) {
        made.push({ device, name, payload });
        return { id: 'c1', device, name, createdAt: 0, expiresAt: 0, state: 'waiting' };
      },
    },
    nudge: (device) => workers.nudge(device),
    now: Date.now,
  });
  started.push(workers);
  await workers.start();
  return workers;
}

const drained = (workers: Workers) =>
  vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
const all = async () => (await letters.list({ limit: 500 })).items;
const names = async () => (await all()).map(({ letter }) => letter.name);
const told = async (reports: Report[]) => {
  await log.append([reportRecord(0, reports)]);
  const workers = await start();
  await drained(workers);
  return workers;
};

test('what devices tell of letters is told in their order, and listed newest first, by function and by device', async () => {
  await told([
    letterReport(1),
    letterReport(3, { function: 'rms' }),
    letterReport(2),
    { type: 'dead-letter-gone', id: 'mean:1', ts: 1, reason: 'replayed' },
    letterReport(4, { replays: 2 }),
    { type: 'dead-letter-kept', id: 'rms:3', ts: 1, detail: 'rms is not deployed here' },
  ]);
  expect(await names()).toEqual(['mean:4', 'rms:3', 'mean:2']);
  expect((await all())[1]!.letter.answer).toMatchObject({ detail: 'rms is not deployed here' });
  const of = async (query: object) =>
    (await letters.list({ limit: 500, ...query })).items.map(({ letter }) => letter.name);
  expect(await of({ function: 'mean' })).toEqual(['mean:4', 'mean:2']);
  expect(await of({ device: 'gw1', function: 'rms' })).toEqual(['rms:3']);
  expect(await of({ device: 'gw2' })).toEqual([]);
});

test.each([{}, { device: 'gw1' }])(
  'a list %j comes in pages that leave nothing out and nothing twice',
  async (query) => {
    await told(Array.from({ length: 90 }, (_, at) => letterReport(at, { function: `f${at % 3}` })));
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await letters.list({ ...query, limit: 7, ...(after !== undefined && { after }) });
      expect(page.items.length).toBeLessThanOrEqual(7);
      seen.push(...page.items.map(({ letter }) => letter.name));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(Array.from({ length: 90 }, (_, at) => `f${(89 - at) % 3}:${89 - at}`));
  },
);

test('what is asked about a letter of a device becomes a command to it, and is open until the device answers', async () => {
  const workers = await told([letterReport(1), letterReport(2)]);
  const [second, first] = await all();
  await letters.ask('replay', [first!.letter.id, second!.letter.id, first!.letter.id]);
  expect(made).toEqual([{ device: 'gw1', name: 'weir.replay-dead-letters', payload: { ids: ['mean:1', 'mean:2'] } }]);
  expect((await all()).map(({ ask }) => ask?.what)).toEqual(['replay', 'replay']);
  await log.append([
    reportRecord(2, [
      { type: 'dead-letter-gone', id: 'mean:1', ts: 1, reason: 'replayed' },
      letterReport(2, { replays: 1 }),
    ]),
  ]);
  await drained(workers);
  expect(await all()).toMatchObject([{ letter: { name: 'mean:2', replays: 1 }, ask: undefined }]);
});

test('letters are run again in the order in which their input came, however they are named', async () => {
  const same = Array.from({ length: 9 }, (_, at) => letterReport(at, { ts: 1_700_000_000_000 }));
  await told([...same, letterReport(9, { ts: 1_600_000_000_000 })]);
  await letters.ask(
    'replay',
    (await all()).map(({ letter }) => letter.id),
  );
  const named = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => `mean:${n}`);
  expect(made.map(({ payload }) => payload)).toEqual([{ ids: named }]);
});

test('letters of a function in the hub are run again in the order in which their input came', async () => {
  bad = new Set([1, 2, 3, 4, 5, 6]);
  for (const seq of bad) await log.append([record(seq, 1)]);
  const workers = await start();
  await drained(workers);
  bad = new Set();
  await letters.ask(
    'replay',
    (await all()).map(({ letter }) => letter.id),
  );
  await vi.waitFor(async () => expect(await all()).toEqual([]), { timeout: 30_000, interval: 2 });
  expect(await sums()).toEqual([1, 3, 6, 10, 15, 21]);
});

test('a letter that is not there is told, and nothing is asked', async () => {
  await told([letterReport(1)]);
  const [only] = await all();
  await expect(letters.ask('replay', [only!.letter.id, '000000000-00000000'])).rejects.toThrow(
    'there is no dead letter',
  );
  expect(made).toEqual([]);
});

test('when the command cannot be made, nothing stays asked', async () => {
  await told([letterReport(1)]);
  const [only] = await all();
  const make = () => Promise.reject(new Error('100 commands wait'));
  const refusing = createDeadLetters({ store, commands: { make }, nudge: () => {}, now: Date.now });
  await expect(refusing.ask('remove', [only!.letter.id])).rejects.toThrow('100 commands wait');
  expect((await all())[0]!.ask).toBeUndefined();
});

test('a letter whose function does not run in the hub is kept, and says why', async () => {
  bad.add(3);
  await log.append([record(0, 5)]);
  const workers = await start();
  await drained(workers);
  runs = false;
  const [only] = await all();
  await letters.ask('replay', [only!.letter.id]);
  await vi.waitFor(async () => expect((await all())[0]).toMatchObject({ ask: undefined, letter: { replays: 0 } }));
  expect((await all())[0]!.letter.answer!.detail).toMatch(
    /^mean@1 is quarantined \(it loops\): deploy a version that runs/,
  );
});

test('a letter on which the host fails is answered, stays, and holds up none behind it', async () => {
  bad = new Set([2, 3, 4]);
  for (let seq = 0; seq < 6; seq++) await log.append([record(seq, 1)]);
  const workers = await start();
  await drained(workers);
  bad.clear();
  poison = 3;
  await letters.ask(
    'replay',
    (await all()).map(({ letter }) => letter.id),
  );
  await vi.waitFor(async () => expect(await all()).toMatchObject([{ ask: undefined, letter: { replays: 0 } }]));
  expect((await all())[0]!.letter.answer!.detail).toContain('the hub failed while it was to replay it');
  expect((await sums()).at(-1)).toBe(0 + 1 + 5 + 2 + 4);
  poison = undefined;
  await letters.ask('replay', [(await all())[0]!.letter.id]);
  await vi.waitFor(async () => expect(await all()).toEqual([]));
  expect((await sums()).at(-1)).toBe(15);
});

test('a letter is removed when that is asked, and its input is never taken', async () => {
  bad.add(3);
  await log.append([record(0, 5)]);
  const workers = await start();
  await drained(workers);
  bad.clear();
  await letters.ask('remove', [(await all())[0]!.letter.id]);
  await vi.waitFor(async () => expect(await all()).toEqual([]));
  expect(await sums()).toEqual([0, 1, 3, 7]);
});

/** What the function in the hub emitted. */
async function sums(): Promise<number[]> {
  const { readings } = await readHistory(store, 'gw1', {});
  return readings
    .filter(({ metric }) => metric === 'sum')
    .map(({ value }) => Number(value))
    .sort((a, b) => a - b);
}

test('whatever fails whenever: letters that are run again after a fix have their effect exactly once, in one write', async () => {
  const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 30 });
  const values = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(values, values, failures, failures, async (first, second, plan, later) => {
      log = createMemoryLog({ partitions: 1 });
      store = createMemoryStore();
      bad = new Set([...first, ...second]);
      for (let seq = 0; seq < 41; seq += 8) await log.append([record(seq, Math.min(8, 41 - seq))]);
      const workers = await start(failingStore(store, [...plan]));
      await drained(workers);
      await vi.waitFor(async () => expect((await all()).length).toBeGreaterThan(0));
      await workers.stop();
      // Another version takes some of it, and the rest only the one after.
      const again = await start(failingStore(store, [...later]));
      for (const fixed of [new Set(first), new Set<number>()]) {
        bad = new Set([...bad].filter((value) => fixed.has(value)));
        const before = new Map((await all()).map(({ letter }) => [letter.id, letter.replays]));
        await letters.ask('replay', [...before.keys()]);
        await vi.waitFor(
          async () => {
            for (const { letter, ask } of await all()) {
              expect(ask).toBeUndefined();
              expect(letter.replays).toBe(before.get(letter.id)! + 1);
            }
          },
          { timeout: 30_000, interval: 2 },
        );
      }
      await again.stop();
      expect(await all()).toEqual([]);
      const total = (41 * 40) / 2;
      expect((await sums()).at(-1)).toBe(total);
      expect(await countHistory(store, 'gw1')).toBe(41 + 41);
      expect((await store.partitions('dead-letter-ask')).names).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

test('what was asked for is done by the next run of the hub when this one ends before', async () => {
  bad.add(3);
  await log.append([record(0, 5)]);
  const workers = await start();
  await drained(workers);
  await workers.stop();
  bad.clear();
  await letters.ask('replay', [(await all())[0]!.letter.id]);
  await start();
  await vi.waitFor(async () => expect(await all()).toEqual([]));
  expect((await sums()).at(-1)).toBe(10);
});
