import { type AlertCause, CAUSES_MAX, type Condition, type Json } from '@weir/protocols';
import type { Judgement } from './condition.ts';
import { Instances } from './instances.ts';
import { atLeast, type Verdict } from './logic.ts';
import type { Node, Scope } from './node.ts';
import { OverInstances } from './over-instances.ts';

/** Holds for so many of the series, or of the devices of a group; or for such a share of those of which it is known. */
export class EachSeries extends OverInstances {
  #wanted: number | { share: number };

  constructor(
    condition: Extract<Condition, { kind: 'series' }>,
    scope: Scope,
    state: Json | undefined,
    build: (condition: Condition, scope: Scope, state: Json | undefined) => Node,
  ) {
    super(new Instances(condition.condition, scope, state, (inner, saved) => build(condition.condition, inner, saved)));
    this.#wanted = condition.atLeast;
  }

  protected summed(): Judgement {
    const { holding, failing, unknown } = this.instances.counts;
    const known = holding + failing;
    const wanted = typeof this.#wanted === 'number' ? this.#wanted : this.#wanted.share * known;
    const judgement: Judgement = {
      verdict: this.#verdict(holding, known, unknown),
      value: holding,
      level: wanted,
      badness: holding - wanted,
      members: { known, unknown },
      causes: holding > 0 ? this.#causes() : [],
    };
    if (judgement.verdict === undefined) {
      const problem = this.#problem();
      if (problem !== undefined) judgement.problem = problem;
    }
    return judgement;
  }

  #verdict(holding: number, known: number, unknown: number): Verdict {
    if (known + unknown === 0) return undefined;
    if (typeof this.#wanted === 'number') return atLeast(this.#wanted, holding, unknown);
    return known === 0 ? undefined : holding >= this.#wanted.share * known;
  }

  /** The latest of those for which it holds; of very many some that are not the latest. */
  #causes(): AlertCause[] {
    const causes: AlertCause[] = [];
    for (const { verdict, causes: each } of this.instances.judgements) {
      if (verdict === true) causes.push(...each);
      if (causes.length >= LOOKED_AT_MAX) break;
    }
    return causes.sort((a, b) => b.ts - a.ts).slice(0, CAUSES_MAX);
  }

  #problem(): string | undefined {
    for (const { problem } of this.instances.judgements) if (problem !== undefined) return problem;
    return undefined;
  }
}

/** Of ten that are told. */
const LOOKED_AT_MAX = 100;
