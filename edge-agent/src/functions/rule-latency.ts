/** How long after a reading had arrived what it brought about with rules was committed: transitions, by buckets of time. */
import type { AlertTransition } from '@weir/protocols';

export interface LatencyReport {
  /** Transitions within `atMostMs` of the arrival, those of the buckets before among them. */
  buckets: { atMostMs: number; count: number }[];
  sumMs: number;
  count: number;
}

/** From what no person notices to a backlog after a restart. */
const AT_MOST_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000];

export class RuleLatency {
  readonly #counts = AT_MOST_MS.map(() => 0);
  #sumMs = 0;
  #count = 0;

  /** @param ms since the readings of the step arrived */
  add(alerts: readonly AlertTransition[], ms: number): void {
    const told = alerts.filter(({ source }) => source.kind === 'rule').length;
    if (told === 0) return;
    // A clock that was set back meanwhile makes no time negative.
    const took = Math.max(0, ms);
    this.#sumMs += told * took;
    this.#count += told;
    for (const [at, most] of AT_MOST_MS.entries()) if (took <= most) this.#counts[at]! += told;
  }

  get report(): LatencyReport {
    const buckets = AT_MOST_MS.map((atMostMs, at) => ({ atMostMs, count: this.#counts[at]! }));
    return { buckets, sumMs: this.#sumMs, count: this.#count };
  }
}
