import { expect, test } from 'vitest';
import type { OpenLink } from './link.ts';
import { pacedLink } from './paced-link.ts';

function world() {
  let now = 5_000;
  const timers: { at: number; go: () => void }[] = [];
  const clock = {
    monotonic: () => now,
    after(ms: number, go: () => void) {
      timers.push({ at: now + ms, go });
      return () => {};
    },
  };
  const sent: { at: number; topic: string }[] = [];
  const openLink: OpenLink = () => ({
    async publish(topic) {
      sent.push({ at: now, topic });
    },
    close() {},
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const passTo = async (at: number) => {
    await settle();
    for (;;) {
      timers.sort((a, b) => a.at - b.at);
      if (timers.length === 0 || timers[0]!.at > at) break;
      const timer = timers.shift()!;
      now = timer.at;
      timer.go();
      await settle();
    }
    now = at;
  };
  /** The process is busy: time goes by, and timers do not. */
  const stall = (ms: number) => {
    now += ms;
  };
  return { clock, sent, openLink, passTo, stall };
}

test('never more than so many go in a second, in their order, and none is lost', async () => {
  const { clock, sent, openLink, passTo } = world();
  const link = pacedLink(openLink, clock, 80)([], { onOpen() {}, onMessage() {}, onClosed() {} });
  for (let n = 0; n < 300; n++) void link.publish(`${n}`, new Uint8Array());
  await passTo(5_000 + 10_000);
  expect(sent.map(({ topic }) => Number(topic))).toEqual(Array.from({ length: 300 }, (_, n) => n));
  for (const { at } of sent) {
    expect(sent.filter((other) => other.at >= at && other.at < at + 1_000).length).toBeLessThanOrEqual(88);
  }
  expect(sent.at(-1)!.at - sent[0]!.at).toBeLessThan(300 * 12.5 + 100);
});

test('after a pause a few go at once', async () => {
  const { clock, sent, openLink, passTo } = world();
  const link = pacedLink(openLink, clock, 80)([], { onOpen() {}, onMessage() {}, onClosed() {} });
  await passTo(60_000);
  for (let n = 0; n < 8; n++) void link.publish(`${n}`, new Uint8Array());
  await passTo(60_000);
  expect(sent.length).toBe(8);
});

test('what is in its turn when a busy process has missed a timer overtakes nothing: readings stay in order', async () => {
  const { clock, sent, openLink, passTo, stall } = world();
  const link = pacedLink(openLink, clock, 80)([], { onOpen() {}, onMessage() {}, onClosed() {} });
  for (let n = 0; n < 10; n++) void link.publish(`${n}`, new Uint8Array());
  await passTo(5_000);
  stall(200);
  for (let n = 10; n < 20; n++) void link.publish(`${n}`, new Uint8Array());
  await passTo(10_000);
  expect(sent.map(({ topic }) => Number(topic))).toEqual(Array.from({ length: 20 }, (_, n) => n));
});
