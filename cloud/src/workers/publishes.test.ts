import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import { createMemoryStore } from '../store/memory.ts';
import { CHANGES_MAX } from '../store/store.ts';
import { PUBLISHES_MAX, PublishCarrier, publishChange } from './publishes.ts';

test('messages that wait go in the order in which a function sent them: the last one says how things shall be', async () => {
  const store = createMemoryStore();
  const downlink = createMemoryDownlink();
  const sent = [9, 10, 100].flatMap((position) =>
    Array.from({ length: 12 }, (_, n) => ({
      ...{ id: `valve:${position}:${n}`, topic: 'to/gw1', payload: `${position}.${n}` },
      ...{ qos: 1 as const, retain: false },
    })),
  );
  await store.write(sent.map((publish) => publishChange(0, 'gw1', publish)));
  const carrier = new PublishCarrier(0, { store, downlink, logger: pino({ level: 'silent' }), clock: systemClock });
  carrier.wake();
  await vi.waitFor(() => expect(downlink.published).toHaveLength(sent.length), { timeout: 20_000 });
  await carrier.stop();
  const payloads = downlink.published.map(({ payload }) => Buffer.from(payload).toString());
  expect(payloads).toEqual(sent.map(({ payload }) => payload));
});

test('messages that no downlink takes do not fill the disk: there is room for so many, also after a restart', async () => {
  const store = createMemoryStore();
  const downlink = createMemoryDownlink();
  const ports = { store, downlink, logger: pino({ level: 'silent' }), clock: systemClock };
  const publishes = Array.from({ length: PUBLISHES_MAX + 7 }, (_, n) => ({
    id: `f:${`${n}`.padStart(6, '0')}`,
    topic: 'to/gw1',
    payload: '',
    qos: 1 as const,
    retain: false,
  }));
  const first = new PublishCarrier(0, ports);
  await first.load();
  const admitted = first.admit(publishes);
  expect(admitted).toEqual(publishes.slice(0, PUBLISHES_MAX));
  expect(first.admit(publishes.slice(-1))).toEqual([]);
  const changes = admitted.map((publish) => publishChange(0, 'gw1', publish));
  while (changes.length > 0) await store.write(changes.splice(0, CHANGES_MAX));

  const second = new PublishCarrier(0, ports);
  await second.load();
  expect(second.admit(publishes.slice(-1))).toEqual([]);
  second.wake();
  await vi.waitFor(() => expect(downlink.published).toHaveLength(PUBLISHES_MAX), { timeout: 20_000 });
  await second.stop();
  expect(second.admit(publishes.slice(-2))).toHaveLength(2);
});
