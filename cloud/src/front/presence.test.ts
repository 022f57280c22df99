import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '../clock/clock.ts';
import { type Log, LogError, partitionOf } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { decodePresence, endsSession, type Session } from '../log/presence-record.ts';
import { PresenceTeller } from './presence.ts';

const RETURN_MS = 1_000;

/** What is told as the front tells it; the state that workers would derive from it. */
let log: Log;
let isUp: boolean;
let connected: Set<string>;
/** What workers know; undefined: all that was told. */
let known: Map<string, Session> | undefined;
let isLookedAt: boolean;
let now: number;
let sleepers: { until: number; wake: () => void }[];
const clock: Clock = {
  now: () => now,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      sleepers.push({ until: now + ms, wake: resolve });
      signal?.addEventListener('abort', () => resolve());
    }),
};

beforeEach(() => {
  const inner = createMemoryLog({ partitions: 1 });
  isUp = true;
  log = Object.assign(Object.create(inner) as Log, {
    append: async (records: Parameters<Log['append']>[0]) => {
      if (!isUp) throw new LogError('full', 'the log is full');
      await inner.append(records);
    },
    read: inner.read.bind(inner),
  });
  connected = new Set();
  known = undefined;
  isLookedAt = false;
  now = 0;
  sleepers = [];
});

function advance(ms: number): void {
  now += ms;
  const due = sleepers.filter(({ until }) => until <= now);
  sleepers = sleepers.filter(({ until }) => until > now);
  for (const { wake } of due) wake();
}

function start(): PresenceTeller & { come(device: string): void; leave(device: string): void } {
  const ports = { log, clock, random: randomBytes, logger: pino({ level: 'silent' }) };
  const isConnected = (device: string) => connected.has(device);
  const online = async function* () {
    for (const [device, session] of known ?? (await there())) yield { device, session };
    isLookedAt = true;
  };
  const teller = new PresenceTeller({ ...ports, online, isConnected }, RETURN_MS);
  teller.start();
  return Object.assign(teller, {
    come(device: string) {
      connected.add(device);
      teller.came(device);
    },
    leave(device: string) {
      connected.delete(device);
      teller.left(device);
    },
  });
}

async function records() {
  const found = await log.read(partitionOf('gw1', 1), undefined, { limit: 1000, waitMs: 0 });
  return found.map(({ device, lane, payload }) => ({ device, lane, ...decodePresence(payload) }));
}
const told = async () => (await records()).map(({ device, online }) => `${device} ${online ? 'came' : 'left'}`);

/** Devices that are there by what the log was told, and their sessions. */
async function there(): Promise<Map<string, Session>> {
  const sessions = new Map<string, Session>();
  for (const { device, online, session } of await records()) {
    const last = sessions.get(device);
    if (online) sessions.set(device, session);
    else if (last !== undefined && endsSession(session, last)) sessions.delete(device);
  }
  return sessions;
}
const allTold = (...expected: string[]) => vi.waitFor(async () => expect(await told()).toEqual(expected));

test('coming and going is told in order, each connection under a name of its own', async () => {
  const teller = start();
  teller.come('gw1');
  await allTold('gw1 came');
  teller.leave('gw1');
  await allTold('gw1 came', 'gw1 left');
  teller.come('gw1');
  await allTold('gw1 came', 'gw1 left', 'gw1 came');
  const [first, second, third] = (await records()).map(({ session }) => session);
  expect(first).toEqual(second);
  expect(third!.number).toBeGreaterThan(first!.number);
  expect((await records())[0]!.lane).toBe('presence');
});

test('while the log takes nothing the newest is remembered, and told as soon as it does', async () => {
  const teller = start();
  teller.come('gw1');
  await allTold('gw1 came');
  isUp = false;
  teller.leave('gw1');
  teller.come('gw1');
  teller.leave('gw1');
  teller.come('gw2');
  isUp = true;
  await vi.waitFor(async () => {
    advance(1_000);
    expect((await told()).at(-1)).toBe('gw2 came');
  });
  expect([...(await there()).keys()]).toEqual(['gw2']);
});

test('a front that stops tells of no going; after the next one starts those that do not come back have gone', async () => {
  const first = start();
  for (const device of ['gw1', 'gw2']) first.come(device);
  await allTold('gw1 came', 'gw2 came');
  await first.stop();
  for (const device of ['gw1', 'gw2']) first.leave(device);

  const second = start();
  second.come('gw2');
  await allTold('gw1 came', 'gw2 came', 'gw2 came');
  advance(RETURN_MS - 1);
  await allTold('gw1 came', 'gw2 came', 'gw2 came');
  advance(1);
  await allTold('gw1 came', 'gw2 came', 'gw2 came', 'gw1 left');
  expect([...(await there()).keys()]).toEqual(['gw2']);
});

test('a device that was not known yet when it was looked for first is found an hour later', async () => {
  const second = start();
  advance(RETURN_MS);
  await vi.waitFor(() => expect(sleepers).toHaveLength(1));
  const first = start();
  first.come('gw1');
  await allTold('gw1 came');
  await first.stop();
  first.leave('gw1');
  advance(3_600_000);
  await allTold('gw1 came', 'gw1 left');
  await second.stop();
});

test('a going that the log did not take yet is not forgotten for that of a connection before it, of another front', async () => {
  const first = start();
  first.come('gw1');
  await allTold('gw1 came');
  await first.stop();
  connected.clear();
  const second = start();
  second.come('gw1');
  await allTold('gw1 came', 'gw1 came');
  isUp = false;
  // The workers are behind: what they know is the session of the front before.
  known = new Map([['gw1', (await records())[0]!.session]]);
  second.leave('gw1');
  advance(RETURN_MS);
  await vi.waitFor(() => expect(isLookedAt).toBe(true));
  isUp = true;
  await vi.waitFor(async () => {
    advance(1_000);
    expect((await told()).length).toBeGreaterThan(2);
  });
  expect([...(await there()).keys()]).toEqual([]);
});
