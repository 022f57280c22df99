import { shadowPrefix, WEIR_SHADOW } from '@weir/protocols';
import { expect, test, vi } from 'vitest';
import type { LinkEvents } from '../uplink/link.ts';
import type { Bounds } from './bounds.ts';
import { middle } from './bounds.ts';
import { settled, TestClock } from './clock.fixture.ts';
import { teachingLink } from './hub-time.ts';

const GET = `${shadowPrefix('gw1', WEIR_SHADOW)}/get`;
/** The hub's time less the monotonic time here. */
const OFFSET = 1_795_867_200_123;
const WAY_MS = 4;
const LIMITS = { hubWait: 5_000, ask: 600_000 };

/** A hub that answers who asks for the shadow, as often as it is told to. */
function connect({ isKnown = false, answers = Number.POSITIVE_INFINITY, suffix = 'accepted' } = {}) {
  const clock = new TestClock(20_000);
  const time = { isKnown, isWallWrong: false, learn: vi.fn(async (_bounds: Bounds) => {}) };
  const events = { onOpen: vi.fn(), onMessage: vi.fn(), onClosed: vi.fn() };
  let hub: LinkEvents | undefined;
  let subscribed: readonly string[] = [];
  const asked: string[] = [];
  const open = teachingLink(
    (subscriptions, inner) => {
      hub = inner;
      subscribed = subscriptions;
      return {
        publish: async (topic, payload) => {
          const text = Buffer.from(payload).toString();
          if (topic !== GET || text === '') return;
          asked.push(text);
          if (asked.length > answers) return;
          const { clientToken } = JSON.parse(text) as { clientToken: string };
          clock.after(WAY_MS, () => {
            const timestamp = Math.floor((clock.monotonic() + OFFSET) / 1_000);
            clock.after(WAY_MS, () =>
              inner.onMessage(`${GET}/${suffix}`, Buffer.from(JSON.stringify({ timestamp, clientToken }))),
            );
          });
        },
        close: () => {},
      };
    },
    'gw1',
    time,
    clock,
    LIMITS,
  );
  const link = open(['to/gw1', `${GET}/accepted`], events);
  return { clock, time, events, link, asked, subscribed: () => subscribed, hub: hub! };
}

test.each(['accepted', 'rejected'])(
  'nothing is sent before the hub has said what time it is, to some ms: %s',
  async (suffix) => {
    const { clock, time, events, hub, subscribed } = connect({ suffix });
    expect(subscribed()).toEqual(['to/gw1', `${GET}/accepted`, `${GET}/rejected`]);
    let settle = () => {};
    time.learn.mockImplementation(() => new Promise((resolve) => (settle = resolve)));
    hub.onOpen();
    await clock.advance(LIMITS.hubWait);
    expect(time.learn).toHaveBeenCalledOnce();
    expect(Math.abs(middle(time.learn.mock.calls[0]![0]) - OFFSET)).toBeLessThan(60);
    expect(events.onOpen, 'what was stamped before is not set right yet').not.toHaveBeenCalled();
    settle();
    await settled();
    expect(events.onOpen).toHaveBeenCalledOnce();
    expect(events.onMessage).not.toHaveBeenCalled();
  },
);

test('what comes meanwhile waits, in its order, until the connection is open', async () => {
  const { clock, events, hub } = connect();
  hub.onOpen();
  for (const text of ['a', 'b']) hub.onMessage('to/gw1', Buffer.from(text));
  await settled();
  expect(events.onMessage).not.toHaveBeenCalled();
  await clock.advance(LIMITS.hubWait);
  expect(events.onMessage.mock.calls.map(([topic, payload]) => `${topic} ${payload}`)).toEqual([
    'to/gw1 a',
    'to/gw1 b',
  ]);
  hub.onMessage(`${GET}/accepted`, Buffer.from('{"version":1,"timestamp":7}'));
  expect(events.onMessage, 'answers to the deployer are its own').toHaveBeenCalledTimes(3);
});

test('a hub that says nothing is waited for so long, and no longer', async () => {
  const { clock, time, events, hub } = connect({ answers: 0 });
  hub.onOpen();
  await clock.advance(LIMITS.hubWait - 1);
  expect(events.onOpen).not.toHaveBeenCalled();
  await clock.advance(1);
  expect(events.onOpen).toHaveBeenCalledOnce();
  expect(time.learn).not.toHaveBeenCalled();
});

test('what little it has said counts', async () => {
  const { clock, time, events, hub } = connect({ answers: 1 });
  hub.onOpen();
  await clock.advance(LIMITS.hubWait);
  expect(Math.abs(middle(time.learn.mock.calls[0]![0]) - OFFSET)).toBeLessThan(520);
  expect(events.onOpen).toHaveBeenCalledOnce();
});

test('a device that knows the time is open at once, and asks now and then whether that is still so', async () => {
  const { clock, time, events, asked, hub, link } = connect({ isKnown: true });
  hub.onOpen();
  expect(events.onOpen).toHaveBeenCalledOnce();
  await clock.advance(LIMITS.ask * 3 + 10 * WAY_MS);
  expect(asked.length).toBe(4);
  expect(time.learn).toHaveBeenCalledTimes(4);
  link.close();
  await clock.advance(LIMITS.ask * 3);
  expect(asked.length).toBe(4);
});

test('a connection that ends while it asks is told as ended, and never as open', async () => {
  const { clock, events, hub } = connect({ answers: 0 });
  hub.onOpen();
  hub.onClosed('gone');
  await clock.advance(LIMITS.hubWait * 2);
  expect([events.onOpen.mock.calls, events.onClosed.mock.calls]).toEqual([[], [['gone']]]);
});
