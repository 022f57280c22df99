/** Time as the agent sees it; a simulation moves its own. */
export interface Clock {
  /** The best that is known of wall time, ms since epoch. It may be set right, in either direction. */
  now(): number;
  /** For spans: ms that go on evenly whatever is done to wall time, from a start that means nothing. */
  monotonic(): number;
  /** @returns a function that cancels it */
  after(ms: number, run: () => void): () => void;
  /** Once what is at hand was handled; for gathering what arrives together. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};

/** Runs again and again, `ms` after the last run has ended. */
export function every(clock: Clock, ms: number, run: () => void | Promise<void>): () => void {
  let cancel = () => {};
  let stopped = false;
  const next = () => {
    cancel = clock.after(ms, async () => {
      await run();
      if (!stopped) next();
    });
  };
  next();
  return () => {
    stopped = true;
    cancel();
  };
}
