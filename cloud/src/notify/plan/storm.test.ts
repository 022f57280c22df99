import { expect, test } from 'vitest';
import { Bench, firing, over } from './plan.fixture.ts';

const DEVICES = 10_000;
const CHANNELS = ['a', 'b', 'c', 'd', 'e'];
/** As workers commit them. */
const TOGETHER = 20;
const MINUTE = 60_000;

test('F3 pain 4, ten thousand devices that all fire within a minute: bounded writes, bounded memory, five digests', async () => {
  const b = new Bench();
  for (const name of CHANNELS) await b.channel(name);
  const all = Array.from({ length: DEVICES }, (_, n) => ({
    episode: `e${String(n).padStart(5, '0')}`,
    device: `d${n}`,
  }));
  for (let at = 0; at < DEVICES; at += TOGETHER) {
    await b.tell(all.slice(at, at + TOGETHER).map(({ episode, device }) => firing(episode, b.now, { device })));
    b.now += MINUTE / (DEVICES / TOGETHER);
  }
  await b.pass(2 * MINUTE);
  for (const name of CHANNELS) {
    const messages = await b.messages(name);
    // Fifty-nine alone and a digest in the first minute; what came at its very end may be more of both.
    expect(messages.length, name).toBeLessThanOrEqual(3 * 60);
    expect(
      messages.reduce((sum, { counts }) => sum + counts.firing, 0),
      name,
    ).toBe(DEVICES);
  }
  // One item for each alert, however many channels there are; what is left are messages, and how far the intake was read.
  expect(b.changes / DEVICES).toBeLessThan(1.5);
  const { changes } = b;
  for (let at = 0; at < DEVICES; at += TOGETHER) {
    await b.tell(all.slice(at, at + TOGETHER).map(({ episode, device }) => over(episode, b.now, { device })));
  }
  await b.pass(60 * MINUTE);
  for (const name of CHANNELS) {
    const messages = await b.messages(name);
    expect(
      messages.reduce((sum, { counts }) => sum + counts.resolved, 0),
      name,
    ).toBe(DEVICES);
  }
  // That it is over, and that it is done with.
  expect((b.changes - changes) / DEVICES).toBeLessThan(3.5);
  expect(b.planner.plan!.alerts.size).toBe(0);
}, 120_000);
