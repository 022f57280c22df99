import { expect, test } from 'vitest';
import type { LocalPublish } from '../intake/broker.ts';
import { localPublish } from './local-publish.ts';

const said: LocalPublish[] = [];
const publish = async (message: LocalPublish) => void said.push(message);
const command = localPublish({ publish, passthrough: ['cmd/#', 'lamps/+/set'] });

test('an actuator hears what the hub has to say, on its own topic', async () => {
  said.length = 0;
  expect(await command({ topic: 'cmd/siren', payload: 'on', retain: true })).toEqual({ outcome: 'done' });
  expect(await command({ topic: 'lamps/hall/set', payload: '' })).toEqual({ outcome: 'done' });
  expect(said).toEqual([
    { topic: 'cmd/siren', payload: 'on', qos: 1, retain: true },
    { topic: 'lamps/hall/set', payload: '', qos: 1, retain: false },
  ]);
});

test.each<[unknown, string]>([
  [{ topic: 'plant/oven1/temperature', payload: '20' }, 'no topic of actuators'],
  [{ topic: 'cmd/#', payload: 'on' }, 'no topic of actuators'],
  [{ topic: '$SYS/x', payload: 'on' }, 'no topic of actuators'],
  [{ topic: 'cmd/siren' }, 'payload'],
  ['on', 'is not what belongs here, which is a list of keys and values'],
])('%j is not published, and says why: nobody can make up readings by it', async (payload, why) => {
  said.length = 0;
  expect(await command(payload as never)).toMatchObject({ outcome: 'failed', detail: expect.stringContaining(why) });
  expect(said).toEqual([]);
});
