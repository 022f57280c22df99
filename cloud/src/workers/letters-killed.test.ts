/** The hub killed at each of its writes while it runs letters again, a new version takes over, or both at once. */
import { columnsOf, encodeBatch } from '@weir/protocols';
import { createFoldHost, createSandbox, hashBundle, parseBundle, type Sandbox } from '@weir/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createDeadLetters, type DeadLetters } from '../dead-letters/dead-letters.ts';
import type { CloudDeployed } from '../fleet/fleet.ts';
import { readHistory } from '../store/history.ts';
import type { Store } from '../store/store.ts';
import { drained, Running } from './running.fixture.ts';
import { mortalStore, T0 } from './worker.fixture.ts';
import type { Workers } from './workers.ts';

const NUMBERS = 12;
const ALERT_AT = 10;

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

const bundles = new Map<string, Uint8Array>();

/** Writes down each number that it can take, and how many these are: one that is taken twice would count twice. */
function ledger(version: string, refuses: string): CloudDeployed {
  const code = `globalThis.__weirDefinition = { name: 'book', version: '${version}', state: () => ({ count: 0 }),
    reading({ value: n }, ctx) {
      if (${refuses}) throw new RangeError('no page for ' + n);
      ctx.state.count++;
      ctx.emit({ sensor: 'book', metric: 'taken', value: n });
      ctx.emit({ sensor: 'book', metric: 'count', value: ctx.state.count });
      ctx.alert({ name: 'many', active: ctx.state.count >= ${ALERT_AT} });
    } };`;
  const takes = { inputs: [{ sensor: 'counter' }], handlers: ['reading'], schedules: [] };
  const manifest = { name: 'book', version, api: 1, ...takes, timeoutMs: 5_000, memoryMb: 64 };
  const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'function', manifest, code }));
  const hash = hashBundle(bytes);
  bundles.set(hash, bytes);
  return { name: 'book', hash, bundle: parseBundle(bytes), config: {}, wish: Number(version) };
}
const broken = ledger('1', 'n % 2 === 0');
const same = ledger('2', 'false');
const another = ledger('3', 'false');

let running: Running;
let letters: DeadLetters;
let workers: Workers;

function fresh(): Running {
  const made = new Running({ makeHost: (device, onStatus) => createFoldHost({ device, sandbox, onStatus }) });
  for (const [hash, bytes] of bundles) made.bundles.set(hash, bytes);
  return made;
}

beforeEach(() => {
  running = fresh();
});
afterEach(() => running.stop());

async function start(store: Store = running.store): Promise<void> {
  workers = await running.start({ store });
}

const want = (deployed: CloudDeployed) => {
  running.revision++;
  running.wanted = () => [deployed];
};
const waiting = async () => (await letters.list({ limit: 100 })).items;
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 1 });

/** Twelve numbers, each a batch of its own, of which the function has refused six; all of these are asked for. */
async function refuseHalf(): Promise<void> {
  want(broken);
  for (let n = 1; n <= NUMBERS; n++) {
    const columns = columnsOf([{ sensor: 'counter', metric: 'n', value: n, ts: T0 + n }]);
    const payload = encodeBatch({ kind: 'readings', epoch: 'e1', seq: n, count: 1, columns });
    await running.log.append([{ device: 'gw1', lane: 'live', payload, receivedAt: T0 }]);
  }
  await start();
  letters = createDeadLetters({
    store: running.store,
    commands: { make: () => expect.unreachable('no letter is on a device') },
    nudge: () => {},
    now: Date.now,
  });
  await drained(workers);
  await running.stop();
  const refused = await waiting();
  expect(refused.length).toBe(NUMBERS / 2);
  await letters.ask(
    'replay',
    refused.map(({ letter }) => letter.id),
  );
}

async function emitted(metric: string): Promise<unknown[]> {
  const { readings } = await readHistory(running.store, 'gw1', { sensor: 'book', metric });
  return readings.map(({ value }) => Number(value)).sort((a, b) => a - b);
}

/** @returns whether the hub was killed: false when it had less to write */
async function killedAt(write: number, when: 'before' | 'after', next: CloudDeployed): Promise<boolean> {
  await refuseHalf();
  want(same);
  const mortal = mortalStore(running.store, write, when);
  await start(mortal);
  await eventually(async () => {
    if (!mortal.isDead()) expect(await waiting()).toEqual([]);
  });
  await running.stop();
  want(next);
  await start();
  await eventually(async () => expect(await waiting()).toEqual([]));
  await running.stop();
  const all = Array.from({ length: NUMBERS }, (_, at) => at + 1);
  expect([write, when, await emitted('taken')]).toEqual([write, when, all]);
  expect([write, when, await emitted('count')]).toEqual([write, when, all]);
  expect((await running.store.partitions('dead-letter-ask')).names).toEqual([]);
  expect((await running.store.partitions('episode')).names.length).toBe(1);
  return mortal.isDead();
}

const cases = [
  { when: 'before', next: same, version: 'the same version' },
  { when: 'after', next: same, version: 'the same version' },
  { when: 'before', next: another, version: 'another one' },
  { when: 'after', next: another, version: 'another one' },
] as const;

test.each(cases)(
  'killed $when any write while a version takes over and letters are run again, then with $version: each once',
  async ({ when, next }) => {
    let write = 1;
    while (await killedAt(write, when, next)) {
      write++;
      running = fresh();
    }
    // The takeover, and each letter.
    expect(write).toBeGreaterThan(NUMBERS / 2);
  },
);
