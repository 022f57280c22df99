/** What is told together: groups, digests, what was over before it could be told, and what flaps. */
import { describe, expect, test } from 'vitest';
import { type Bench, bench, firing, over, START } from './plan.fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('groups', () => {
  test('wait for the first, then the interval, and one message says how all of it stands; reminders go by the group', async () => {
    const b = await bench(['a', { groupBy: ['alertname'], wait: '30s', interval: '5m', repeat: '4h' }]);
    await b.tell([firing('e1', b.now)]);
    await b.pass(20_000);
    await b.tell([firing('e2', b.now)]);
    expect(await b.lines('a')).toEqual([]);
    await b.pass(10_000);
    expect(await b.lines('a')).toEqual(['new: e1, e2']);
    await b.pass(MINUTE);
    await b.tell([firing('e3', b.now), over('e1', b.now)]);
    await b.pass(4 * MINUTE - 1);
    expect(await b.lines('a')).toHaveLength(1);
    await b.pass(1);
    expect((await b.lines('a'))[1]).toBe('new: e1 over, e2, e3');
    b.restart();
    await b.pass(4 * HOUR);
    expect((await b.lines('a')).slice(2)).toEqual(['repeat: e2, e3']);
    await b.tell([over('e2', b.now), over('e3', b.now)]);
    await b.pass(5 * MINUTE);
    expect((await b.lines('a')).slice(3)).toEqual(['resolved: e2 over, e3 over']);
    await b.pass(24 * HOUR);
    expect(await b.lines('a')).toHaveLength(4);
  });

  test('what is over before its group was told is told nobody', async () => {
    const b = await bench(['a', { groupBy: [] }]);
    await b.tell([firing('e1', b.now)]);
    await b.pass(1000);
    await b.tell([over('e1', b.now)]);
    await b.pass(HOUR);
    expect(await b.lines('a')).toEqual([]);
  });

  test('a message lists so many and counts the others, and their ends are told, too', async () => {
    const b = await bench(['a', { groupBy: [], wait: '10s', interval: '10s' }]);
    const names = Array.from({ length: 120 }, (_, n) => `e${String(n).padStart(3, '0')}`);
    await b.tell(names.map((name) => firing(name, b.now)));
    await b.pass(10_000);
    const [first] = await b.messages('a');
    expect([first!.alerts.length, first!.leftOut, first!.counts]).toEqual([50, 70, { firing: 120, resolved: 0 }]);
    await b.tell(names.map((name) => over(name, b.now)));
    await b.pass(HOUR);
    const ends = (await b.messages('a')).slice(1);
    const listed = ends.flatMap(({ episodes }) => episodes);
    expect(new Set(listed).isSupersetOf(new Set(first!.episodes))).toBe(true);
    expect(ends.reduce((sum, { counts }) => sum + counts.resolved, 0)).toBe(120);
  });

  test('a channel whose groups are taken away is still told the end of what they told', async () => {
    const b = await bench(['a', { groupBy: [], wait: '10s' }]);
    await b.tell([firing('e1', b.now)]);
    await b.pass(10_000);
    await b.channel('a', {});
    await b.tell([over('e1', b.now)]);
    await b.pass(1);
    expect(await b.lines('a')).toEqual(['new: e1', 'resolved: e1 over']);
  });
});

describe('F3 pain 4, alert storms', () => {
  test('what is over the rate of a channel is one digest that counts exactly what it stands for, and so are its ends', async () => {
    const b = await bench(['a', { rate: '10/1m' }]);
    const names = Array.from({ length: 1_000 }, (_, n) => `e${String(n).padStart(4, '0')}`);
    for (let at = 0; at < 1_000; at += 50) await b.tell(names.slice(at, at + 50).map((name) => firing(name, b.now)));
    await b.pass(5 * MINUTE);
    const told = await b.messages('a');
    expect(told).toHaveLength(10);
    const digest = told.at(-1)!;
    expect([digest.kind, digest.counts, digest.alerts.length + digest.leftOut]).toEqual([
      ...['digest', { firing: 991, resolved: 0 }, 991],
    ]);
    for (let at = 0; at < 1_000; at += 50) await b.tell(names.slice(at, at + 50).map((name) => over(name, b.now)));
    await b.pass(30 * MINUTE);
    const ends = (await b.messages('a')).slice(10);
    expect(ends.reduce((sum, { counts }) => sum + counts.resolved, 0)).toBe(1_000);
    const named = new Set(ends.flatMap(({ episodes }) => episodes));
    for (const episode of told.flatMap(({ episodes }) => episodes)) expect(named, episode).toContain(episode);
    expect(ends.length).toBeLessThan(40);
  });

  test('a device that comes back: what is over is one line, what is true is told once its lane is quiet, with its true start', async () => {
    const b = await bench();
    const long = b.now - 3 * HOUR;
    for (let n = 0; n < 20; n++) {
      await b.tell([firing(`old${n}`, long), over(`old${n}`, long + MINUTE)]);
      await b.pass(1_000);
    }
    await b.tell([firing('now', long)]);
    expect(await b.lines('a')).toEqual([]);
    await b.pass(MINUTE);
    const messages = await b.messages('a');
    expect(messages.map(({ why, alerts }) => [why, alerts.length]).sort()).toEqual([
      ['historical', 20],
      ['new', 1],
    ]);
    expect(messages.find(({ why }) => why === 'new')!.alerts[0]!.startsAt).toBe(long);
  });

  test('semantics 4, late data: what the device says is historical is never told alone', async () => {
    const b = await bench();
    await b.tell([firing('e1', b.now - HOUR, { historical: true }), over('e1', b.now - HOUR, { historical: true })]);
    await b.pass(HOUR);
    expect(await b.lines('a')).toEqual(['historical: e1 over']);
  });

  test('an alert that is true does not wait for ever for its device to be quiet', async () => {
    const b = await bench();
    await b.tell([firing('e1', b.now - HOUR)]);
    for (let n = 0; n < 60; n++) {
      await b.pass(3_000);
      await b.tell([firing(`x${n}`, b.now)]);
    }
    const told = (await b.messages('a')).find(({ id }) => id === 'e1-1');
    expect(told!.createdAt - START).toBe(120_000);
  });
});

describe('F3 pain 3, flapping', () => {
  const POLICY = 'flapping: { changes: 6, within: 10m, calm: 10m }';

  async function flap(b: Bench, times: number, everyMs: number, from = 0) {
    for (let n = from; n < from + times; n++) {
      await b.tell([firing(`f${n}`, b.now, { sensor: 's' })]);
      await b.pass(everyMs);
      await b.tell([over(`f${n}`, b.now, { sensor: 's' })]);
      await b.pass(everyMs);
    }
  }

  test('is told once, then nothing until it has calmed down, then how it stands', async () => {
    const b = await bench();
    await b.policy(POLICY);
    await flap(b, 40, 30_000);
    const lines = await b.lines('a');
    expect(lines.slice(0, 6)).toEqual([
      'new: f0',
      'resolved: f0 over',
      'new: f1',
      'resolved: f1 over',
      'new: f2',
      'resolved: f2 over',
    ]);
    expect(lines.slice(6)).toEqual(['flapping: f3']);
    await b.pass(10 * MINUTE);
    expect((await b.lines('a')).slice(7)).toEqual(['resolved: f3 over']);
  });

  test('what still fires when it has calmed down is told, after the end of what was told before', async () => {
    const b = await bench();
    await b.policy(POLICY);
    await flap(b, 10, 30_000);
    await b.tell([firing('last', b.now, { sensor: 's' })]);
    b.restart();
    await b.pass(10 * MINUTE);
    expect((await b.lines('a')).slice(6)).toEqual(['flapping: f3', 'resolved: f3 over', 'new: last']);
    await b.tell([over('last', b.now, { sensor: 's' })]);
    expect((await b.lines('a')).at(-1)).toBe('resolved: last over');
  });
});

test('a clock that was a day ahead and is set right keeps nothing back: digests, groups, rates and escalations go on', async () => {
  const b = await bench(['a', { rate: '3/1m' }], ['b', { groupBy: [] }], ['c', { match: ['device=none'] }]);
  await b.policy('escalations: [{ steps: [{ after: 5m, channels: [c] }] }]');
  b.now += 24 * HOUR;
  await b.tell(['e1', 'e2', 'e3', 'e4'].map((name) => firing(name, b.now)));
  await b.tell([firing('late', b.now - HOUR)]);
  b.now -= 24 * HOUR;
  await b.tell([firing('e5', b.now)]);
  await b.pass(10 * MINUTE);
  expect((await b.messages('a')).reduce((sum, { counts }) => sum + counts.firing, 0)).toBe(6);
  expect((await b.messages('b')).at(-1)!.counts.firing).toBe(6);
  expect((await b.lines('c')).sort()).toEqual(
    ['e1', 'e2', 'e3', 'e4', 'e5', 'late'].map((name) => `escalation: ${name}`),
  );
});
