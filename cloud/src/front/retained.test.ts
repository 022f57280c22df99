/** What is retained reaches whoever subscribes to exactly its topic, at the lesser QoS of the two, and nobody else. */
import { randomBytes } from 'node:crypto';
import { commandTopic, shadowPrefix } from '@weir/protocols';
import pino from 'pino';
import { expect, test } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createRetained } from '../retained/retained.ts';
import { createMemoryStore } from '../store/memory.ts';
import { Backfill } from './backfill.ts';
import { fakeFleet } from './front.fixture.ts';
import type { Outgoing, SessionConnection } from './roster.ts';
import { Sessions } from './sessions.ts';

const NOWHERE = { address: '', port: 0 };
const device = 'gw1';
const topic = commandTopic(device);

test.each<[filter: string, qos: 0 | 1, granted: 0 | 1, got: (0 | 1)[]]>([
  [topic, 1, 1, [1]],
  [topic, 1, 0, [0]],
  [topic, 0, 1, [0]],
  [`${shadowPrefix(device)}/#`, 1, 1, []],
  ['weir/1/gw1/+', 1, 1, []],
  ['#', 1, 1, []],
])('a subscription to %s of a message at QoS %i, granted QoS %i', async (filter, qos, granted, got) => {
  const retained = createRetained(createMemoryStore(), { messagesMax: 10, bytesMax: 1_000 });
  for (const each of [topic, commandTopic('gw2')]) {
    await retained.keep({ topic: each, payload: Buffer.from('kept'), qos, lastModifiedTime: 1 });
  }
  const { sessions, connection, heard } = await letIn(retained);
  sessions.subscribed(device, connection, [{ topicFilter: filter, qos: granted }]);
  await retained.list({ limit: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard.map(({ retain, ...rest }) => [rest.topic, rest.qos, retain])).toEqual(
    got.map((each) => [topic, each, true]),
  );
});

async function letIn(retained: ReturnType<typeof createRetained>) {
  const heard: Outgoing[] = [];
  const connection: SessionConnection = {
    asked: { cleanSession: true, keepAliveS: 30, source: NOWHERE, target: NOWHERE },
    heardAt: 0,
    destroy() {},
    deliver(message) {
      heard.push(message);
      return () => {};
    },
  };
  const told = { onListening() {}, onLifecycle() {}, onFlapping() {}, async *online() {} };
  const shadows = { async request() {} };
  const sessions = new Sessions<SessionConnection>(
    {
      ...{ log: createMemoryLog(), fleet: fakeFleet([{ device, serial: '01' } as never]), shadows, retained },
      ...{
        backfill: new Backfill({ now: systemClock.now, tell() {} }),
        logger: pino({ level: 'silent' }),
        clock: systemClock,
      },
      ...{ ...told, random: randomBytes },
    },
    1_000,
  );
  await sessions.admit({ device, serial: '01', fingerprint256: 'ab' } as never, device, connection);
  sessions.ready(device, connection);
  return { sessions, connection, heard };
}
