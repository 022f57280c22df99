/** How fast lanes fill and empty, over the last minute. */
import type { Lane } from '@weir/protocols';
import type { LaneAccount } from '../outbox/outbox.ts';

export interface LaneRate {
  /** Items a second. */
  inPerS: number;
  /** Delivered; what was dropped is not. */
  outPerS: number;
}

interface Sample {
  at: number;
  numbered: Map<Lane, number>;
  delivered: Map<Lane, number>;
}

export const SAMPLE_MS = 5_000;
const SPAN_MS = 60_000;

export class LaneRates {
  #samples: Sample[] = [];

  /** @param at ms of a clock that only goes forward */
  take(accounts: readonly LaneAccount[], at: number): void {
    const by = (of: (account: LaneAccount) => number) => new Map(accounts.map((each) => [each.lane, of(each)]));
    this.#samples = this.#samples.filter((sample) => at - sample.at <= SPAN_MS);
    this.#samples.push({
      at,
      numbered: by(({ nextSeq }) => nextSeq),
      delivered: by(({ nextSeq, items, dropped }) => nextSeq - items - dropped),
    });
  }

  of(lane: Lane): LaneRate {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || first.at === last.at) return { inPerS: 0, outPerS: 0 };
    const perS = (of: 'numbered' | 'delivered') =>
      Math.max(0, ((last[of].get(lane) ?? 0) - (first[of].get(lane) ?? 0)) * 1_000) / (last.at - first.at);
    return { inPerS: perS('numbered'), outPerS: perS('delivered') };
  }
}
