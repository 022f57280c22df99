/** What was raised while nobody planned: a hub that starts finds all of it in the intake. */
import { expect, test } from 'vitest';
import { Bench, firing, over } from './plan.fixture.ts';

const EPISODES = 300;
/** As workers commit them. */
const TOGETHER = 10;
const MINUTE = 60_000;
const CHANNELS = ['a', 'b'];

/** Each begins and ends, every tenth says its end twice, and every seventh fires still. */
async function backlog(b: Bench): Promise<{ fired: number; over: number }> {
  for (const name of CHANNELS) await b.channel(name, { rate: `${EPISODES * 2}/1m` });
  const told = { fired: 0, over: 0 };
  for (let at = 0; at < EPISODES; at += TOGETHER) {
    const some = Array.from({ length: TOGETHER }, (_, n) => at + n);
    const ended = some.filter((each) => each % 7 !== 0);
    const begins = some.map((each) => firing(nameOf(each), b.now, { device: `d${each % 20}` }));
    const ends = ended.map((each) => over(nameOf(each), b.now, { device: `d${each % 20}` }));
    const again = ended.filter((each) => each % 10 === 0).map((each) => over(nameOf(each), b.now, { seq: 3 }));
    for (const transitions of [begins, ends, again]) {
      if (transitions.length === 0) continue;
      await b.put(...transitions.map((transition) => ({ transition, origin: 'edge' as const, channels: CHANNELS })));
    }
    told.fired += some.length;
    told.over += ended.length;
  }
  return told;
}

const nameOf = (each: number) => `e${String(each).padStart(5, '0')}`;

async function countsOf(b: Bench, name: string): Promise<{ fired: number; over: number }> {
  const messages = await b.messages(name);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
  return {
    fired: messages.reduce((sum, { counts }) => sum + counts.firing, 0),
    over: messages.reduce((sum, { counts }) => sum + counts.resolved, 0),
  };
}

test('what waits when a hub starts is planned many items a write, not one each', async () => {
  const b = new Bench();
  const expected = await backlog(b);
  await b.plan();
  for (const name of CHANNELS) expect(await countsOf(b, name)).toEqual(expected);
  // A write has room for a hundred changes; each message is one.
  const { writes, changes } = b;
  expect(changes / writes).toBeGreaterThan(70);
  const { items } = await b.store.query({ table: 'notify', partition: 'intake' });
  expect(items).toEqual([]);
});

test('a hub killed at each of these writes, before it is durable or after, tells each once', async () => {
  const plain = new Bench();
  const expected = await backlog(plain);
  await plain.plan();
  for (let write = 0; write < plain.writes; write++) {
    for (const kill of ['before', 'after'] as const) {
      const b = new Bench();
      await backlog(b);
      b.killedAt = (at) => (at === write ? kill : undefined);
      await b.plan();
      for (const name of CHANNELS) expect(await countsOf(b, name), `killed ${kill} write ${write}`).toEqual(expected);
    }
  }
});

test('a hub that is to end leaves a long backlog where it is, and the next one goes on', async () => {
  const b = new Bench();
  const expected = await backlog(b);
  const stopped = b.planner;
  const round = stopped.round();
  await stopped.stop();
  await round;
  const { items } = await b.store.query({ table: 'notify', partition: 'intake' });
  expect(items.length).toBeGreaterThan(0);
  b.restart();
  await b.pass(MINUTE);
  for (const name of CHANNELS) expect(await countsOf(b, name)).toEqual(expected);
});
