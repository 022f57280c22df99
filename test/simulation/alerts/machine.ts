/** What the oracle takes for an episode. */
import type { RulePlan } from '@weir/protocols';

export type Known = boolean | undefined;

export interface Episode {
  subject: string;
  startedAt: number;
  /** `severity@ts` of each rung that it came to. */
  path: string[];
  endedAt?: number;
}

/** An episode, as the plan of the rule says it. */
export class Machine {
  readonly episodes: Episode[] = [];
  readonly #plan: RulePlan;
  readonly #name: string;
  readonly #rungs: { since?: number; isDoubtful: boolean; isInForce: boolean; spent?: 'until-false' | 'until-fresh' }[];
  #open: Episode | undefined;
  #firedAt = 0;
  #recurredAt = 0;
  #at = -1;
  /** While it recovers. */
  #over: { since: number | undefined; samples: number } | undefined;
  #unknownSince: number | undefined;
  #isAway = false;

  constructor(plan: RulePlan, name: string) {
    this.#plan = plan;
    this.#name = name;
    this.#rungs = plan.ladder.map(() => ({ isDoubtful: false, isInForce: false }));
  }

  look(now: number, isFresh: boolean, verdicts: { on: Known; over: Known }[]): void {
    const wasRecovering = this.#over !== undefined;
    this.#rungs.forEach((rung, at) => {
      const { on, over } = verdicts[at]!;
      if (on === true && rung.spent === 'until-fresh' && isFresh) delete rung.spent;
      if (on === true && rung.spent === undefined) {
        rung.since ??= now;
        rung.isDoubtful = false;
        if (isFresh) this.#recurredAt = now;
      }
      if (on === false) {
        delete rung.since;
        delete rung.spent;
        rung.isDoubtful = false;
      }
      if (on === undefined && rung.since !== undefined) rung.isDoubtful = true;
      if (rung.isInForce) {
        if (over === true && on !== true) {
          rung.isInForce = false;
          rung.isDoubtful = false;
          delete rung.since;
        }
      } else if (rung.since !== undefined && !rung.isDoubtful) {
        rung.isInForce = wasRecovering || now - rung.since >= this.#plan.forMs;
      }
    });
    const top = this.#rungs.findLastIndex(({ isInForce }) => isInForce);
    if (this.#open === undefined) this.#lookQuiet(now, top);
    else this.#lookOpen(now, top, isFresh, verdicts);
  }

  #lookQuiet(now: number, top: number): void {
    if (top < 0) return;
    const startedAt = Math.min(
      ...this.#rungs.flatMap((rung) => (rung.isInForce && rung.since !== undefined ? rung.since : [])),
    );
    this.#open = { subject: this.#name, startedAt, path: [] };
    this.#firedAt = now;
    if (this.#recurredAt < startedAt) this.#recurredAt = now;
    this.#come(top, now);
    this.episodes.push(this.#open);
    const { noRecurrenceForMs } = this.#plan.exit;
    // It was over by time before it was held: it ends as soon as it has fired.
    if (noRecurrenceForMs !== undefined && now >= this.#recurredAt + noRecurrenceForMs)
      this.#end(now + 1, 'until-fresh');
  }

  #lookOpen(now: number, top: number, isFresh: boolean, verdicts: { on: Known; over: Known }[]): void {
    const { resolveAfterMs, noRecurrenceForMs, keepFiringForMs, samples } = this.#plan.exit;
    this.#noteUnknown(now, isFresh, verdicts);
    if (resolveAfterMs !== undefined && now >= this.#firedAt + resolveAfterMs) {
      this.#end(now, 'until-false');
      return;
    }
    const isKnown = this.#unknownSince === undefined;
    if (noRecurrenceForMs !== undefined && isKnown && now >= this.#recurredAt + noRecurrenceForMs) {
      this.#end(now, 'until-fresh');
      return;
    }
    if (top >= 0) {
      this.#over = undefined;
      if (top !== this.#at) this.#come(top, now);
      return;
    }
    if (noRecurrenceForMs !== undefined) return;
    if (this.#over === undefined && (keepFiringForMs > 0 || samples > 1)) {
      const pending = this.#rungs.findLastIndex(({ since, isDoubtful }) => since !== undefined && !isDoubtful);
      if (pending >= 0) {
        this.#rungs[pending]!.isInForce = true;
        this.#come(pending, now);
        return;
      }
    }
    if (this.#over === undefined) this.#over = { since: now, samples: isFresh ? 1 : 0 };
    else if (!isKnown) return;
    else if (verdicts.slice(0, this.#at + 1).some(({ over }) => over === false))
      this.#over = { since: undefined, samples: 0 };
    else {
      this.#over.since ??= now;
      if (isFresh) this.#over.samples++;
    }
    const { since } = this.#over;
    const isEnough = samples <= 1 || this.#over.samples >= samples;
    if (since !== undefined && isEnough && now >= since + keepFiringForMs) this.#end(now);
  }

  /** What has been unknown for a minute is back with a sample, not with time. */
  #noteUnknown(now: number, isFresh: boolean, verdicts: { on: Known; over: Known }[]): void {
    if (verdicts.every(({ on, over }) => on === undefined && over === undefined)) {
      this.#unknownSince ??= now;
      if (now >= this.#unknownSince + 60_000) this.#isAway = true;
    } else if (!this.#isAway || isFresh) {
      this.#unknownSince = undefined;
      this.#isAway = false;
    }
  }

  #come(top: number, now: number): void {
    this.#at = top;
    this.#open!.path.push(`${this.#plan.ladder[top]!.severity}@${now}`);
  }

  #end(now: number, spent?: 'until-false' | 'until-fresh'): void {
    this.#open!.endedAt = now;
    this.#open = undefined;
    this.#over = undefined;
    this.#unknownSince = undefined;
    this.#isAway = false;
    this.#at = -1;
    // What is over all its rungs are; one that is still to be held goes on being held.
    if (spent === undefined) return;
    for (const rung of this.#rungs) {
      const wasTrue = rung.since !== undefined;
      delete rung.since;
      // One that has ended by itself and is true all the while stays ended, whatever ends another one.
      rung.isDoubtful = false;
      rung.isInForce = false;
      if (wasTrue) rung.spent = spent;
    }
  }
}
