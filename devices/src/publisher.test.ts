import type { Reading } from '@weir/protocols';
import { afterEach, expect, test, vi } from 'vitest';
import { openBroker, type TestBroker } from './broker.fixture.ts';
import { Publisher, type PublisherEvent } from './publisher.ts';

const stack: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const each of stack.splice(0).reverse()) await each.stop();
});

async function broker(options: Parameters<typeof openBroker>[0] = {}): Promise<TestBroker> {
  const opened = await openBroker(options);
  stack.push({ stop: () => opened.close() });
  return opened;
}

function publisher(port: number, more: { username?: string; password?: string } = {}) {
  const events: PublisherEvent[] = [];
  const made = new Publisher({ host: '127.0.0.1', port, ...more }, (event) => events.push(event));
  stack.push(made);
  made.start();
  return Object.assign(made, { events });
}

const reading = (value: number): Reading => ({ sensor: 'oven2', metric: 'temperature', value, ts: 1_700_000_000_000 });
const arrivedValues = ({ arrived }: TestBroker) => arrived.map(({ payload }) => JSON.parse(payload).value as number);
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

test('readings arrive in order under the topic of their sensor, and each acknowledgement is counted', async () => {
  const hall = await broker();
  const sensors = publisher(hall.port);
  for (const value of upTo(300)) await sensors.publish(reading(value));
  await sensors.settled(5000);
  expect(arrivedValues(hall)).toEqual(upTo(300));
  expect(hall.arrived[0]).toEqual({
    topic: 'plant/oven2/temperature',
    payload: '{"value":0,"ts":1700000000000}',
  });
  expect(sensors).toMatchObject({ published: 300, acknowledged: 300, unacknowledged: 0, connections: 1 });
});

test('a link that breaks again and again costs no reading: what was not acknowledged is sent again', async () => {
  const hall = await broker();
  hall.onMessage = (count) => {
    if ([50, 120, 300].includes(count)) throw new Error('the link breaks here');
  };
  const sensors = publisher(hall.port);
  for (const value of upTo(400)) await sensors.publish(reading(value));
  await sensors.settled(20_000);
  expect(sensors).toMatchObject({ published: 400, acknowledged: 400, unacknowledged: 0 });
  expect(sensors.connections).toBe(4);
  expect([...new Set(arrivedValues(hall))].sort((a, b) => a - b)).toEqual(upTo(400));
});

test('a broker that starts later is found, and one that restarts is found again', async () => {
  const first = await openBroker();
  const { port } = first;
  await first.close();
  const sensors = publisher(port);
  await sensors.publish(reading(1));
  await vi.waitFor(() => expect(sensors.events[0]).toMatchObject({ event: 'disconnected' }), 5000);
  const second = await openBroker({ port });
  await sensors.settled(10_000);
  expect(arrivedValues(second)).toEqual([1]);
  await second.close();
  const third = await broker({ port });
  await sensors.publish(reading(2));
  await sensors.settled(10_000);
  expect(arrivedValues(third)).toContain(2);
  expect(sensors.unacknowledged).toBe(0);
});

test('a wrong password is final, and said', async () => {
  const hall = await broker({ password: 'right' });
  const sensors = publisher(hall.port, { username: 'sensor', password: 'wrong' });
  await vi.waitFor(() => expect(sensors.events.at(-1)?.event).toBe('refused'), 5000);
  await sensors.publish(reading(1));
  await sensors.settled(5000);
  expect(hall.arrived).toEqual([]);
});

test('readings that wait for a link are bounded: publish waits, and is let go at the end', async () => {
  const gone = await openBroker();
  await gone.close();
  const sensors = publisher(gone.port);
  let handedOver = 0;
  const feeding = (async () => {
    for (const value of upTo(10_000)) {
      await sensors.publish(reading(value));
      handedOver++;
    }
  })();
  await vi.waitFor(() => expect(sensors.unacknowledged).toBe(500), 5000);
  expect(handedOver).toBe(500);
  sensors.release();
  await feeding;
  expect(sensors).toMatchObject({ published: 500, unacknowledged: 500 });
});
