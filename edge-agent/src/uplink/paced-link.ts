/**
 * A link over which no more is published each second than the other end takes: AWS IoT Core discards what is over its
 * limit without a word, and a batch that is not acknowledged would end the connection.
 */
import type { Clock } from '../clock/clock.ts';
import type { Link, OpenLink } from './link.ts';

/** What may go at once after a pause. */
const BURST_MS = 100;

export function pacedLink(openLink: OpenLink, clock: Pick<Clock, 'monotonic' | 'after'>, perSecond: number): OpenLink {
  const intervalMs = 1_000 / perSecond;
  return (subscriptions, events) => {
    const link = openLink(subscriptions, events);
    let nextAt = Number.NEGATIVE_INFINITY;
    // Timers come late in a busy process, and in another order than they were set: each turn comes after the one before.
    let turns: Promise<void> = Promise.resolve();
    const turn = () => {
      const now = clock.monotonic();
      nextAt = Math.max(nextAt, now - BURST_MS) + intervalMs;
      const waitMs = nextAt - now;
      return waitMs <= 0 ? undefined : new Promise<void>((resolve) => clock.after(waitMs, resolve));
    };
    const paced: Link = {
      async publish(topic, payload) {
        turns = turns.then(turn);
        await turns;
        await link.publish(topic, payload);
      },
      close: () => link.close(),
    };
    const { wireBytes } = link;
    return wireBytes === undefined ? paced : { ...paced, wireBytes: () => wireBytes.call(link) };
  };
}
