/** At most so many messages in any window of time. */
import type { Rate } from './channel-policy.ts';

/** When there is room for one more; `now` when there is. @param sentAt ascending @param spare places that are kept free */
export function roomAt(sentAt: readonly number[], { messages, perMs }: Rate, now: number, spare = 0): number {
  const places = Math.max(1, messages - spare);
  const oldest = past(sentAt, now).at(-places);
  return oldest === undefined ? now : Math.max(now, oldest + perMs);
}

/** @returns the times that matter from now on */
export function withSent(sentAt: readonly number[], { messages }: Rate, now: number): number[] {
  return [...past(sentAt, now), now].slice(-messages);
}

/** A clock that was ahead and is right now must not silence a channel until the time is made up for. */
function past(sentAt: readonly number[], now: number): readonly number[] {
  return sentAt.filter((at) => at <= now);
}
