import type { Publish } from '@weir/runtime';
import { expect, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import { Publisher } from './publisher.ts';

const publish = (id: string): Publish => ({ id, topic: 'cmd/valve', payload: id, qos: 1, retain: false });

test('a message that comes in the very moment in which the last one is done with is carried out, too', async () => {
  for (let turns = 0; turns < 10; turns++) {
    const told: string[] = [];
    const call = async () => {
      // Both come with the answers to one transaction: one turn of the loop, some microtasks apart.
      if (told.length === 1) void after(turns, () => publisher.add([publish('second')]));
    };
    const publisher: Publisher = new Publisher(
      {
        spool: { call } as unknown as Spool,
        clock: new TestClock(),
        publish: async ({ id }) => void told.push(id),
        onFailure: (what, error) => expect.unreachable(`${what}: ${error.message}`),
      },
      100,
    );
    publisher.start([publish('first')]);
    await settled();
    expect({ turns, told }).toEqual({ turns, told: ['first', 'second'] });
    await publisher.stop();
  }
});

test('what the run before has left comes first, and nothing is carried out before there is a broker', async () => {
  const told: string[] = [];
  const done: string[] = [];
  const publisher = new Publisher(
    {
      spool: { call: async (_: string, ids: string[]) => void done.push(...ids) } as unknown as Spool,
      clock: new TestClock(),
      publish: async ({ id }) => void told.push(id),
      onFailure: (what, error) => expect.unreachable(`${what}: ${error.message}`),
    },
    3,
  );
  publisher.add([publish('new 1'), publish('new 2')]);
  await settled();
  expect({ told, done }).toEqual({ told: [], done: [] });
  publisher.start([publish('old 1'), publish('old 2')]);
  await settled();
  const inOrder = ['old 2', 'new 1', 'new 2'];
  expect({ told, done }).toEqual({ told: inOrder, done: inOrder });
  await publisher.stop();
});

async function after(microtasks: number, run: () => void): Promise<void> {
  for (let i = 0; i < microtasks; i++) await null;
  run();
}
