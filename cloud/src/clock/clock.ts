import { setTimeout } from 'node:timers/promises';

/** Time as the hub sees it; a simulation moves its own. */
export interface Clock {
  /** Wall time, ms since epoch. */
  now(): number;
  /** Of a clock that only goes on, ms with fractions: how long something took. A simulation's has none. */
  elapsedMs?(): number;
  /** Resolves after `ms`, or as soon as it is aborted; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  sleep: (ms, signal) =>
    setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    }),
};
