import { type AlertCause, CAUSES_MAX, type Condition, type Json } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { Instances } from './instances.ts';
import { atLeast, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName } from './node.ts';

/** Holds for so many of the series, or of the devices of a group; or for such a share of those of which it is known. */
export class EachSeries implements Node {
  #wanted: number | { share: number };
  #instances: Instances;

  constructor(
    condition: Extract<Condition, { kind: 'series' }>,
    scope: Scope,
    state: Json | undefined,
    build: (condition: Condition, scope: Scope, state: Json | undefined) => Node,
  ) {
    this.#wanted = condition.atLeast;
    this.#instances = new Instances(condition.condition, scope, state, (inner, saved) =>
      build(condition.condition, inner, saved),
    );
  }

  takes(series: SeriesName): boolean {
    return this.#instances.takes(series);
  }

  take(sample: Sample): boolean {
    return this.#instances.take(sample);
  }

  judge(now: number): Judgement {
    this.#instances.judge(now);
    const { holding, failing, unknown } = this.#instances.counts;
    const known = holding + failing;
    const wanted = typeof this.#wanted === 'number' ? this.#wanted : this.#wanted.share * known;
    const judgement: Judgement = {
      verdict: this.#verdict(holding, known, unknown),
      value: holding,
      level: wanted,
      badness: holding - wanted,
      causes: holding > 0 ? this.#causes() : [],
    };
    if (judgement.verdict === undefined) {
      const problem = this.#problem();
      if (problem !== undefined) judgement.problem = problem;
    }
    const due = this.#instances.dueAt;
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  get state(): Json {
    return this.#instances.state;
  }

  moveTime(move: TimeMove): void {
    this.#instances.moveTime(move);
  }

  rearm(at: number): void {
    this.#instances.rearm(at);
  }

  #verdict(holding: number, known: number, unknown: number): Verdict {
    if (known + unknown === 0) return undefined;
    if (typeof this.#wanted === 'number') return atLeast(this.#wanted, holding, unknown);
    return known === 0 ? undefined : holding >= this.#wanted.share * known;
  }

  /** The latest of those for which it holds; of very many some that are not the latest. */
  #causes(): AlertCause[] {
    const causes: AlertCause[] = [];
    for (const { verdict, causes: each } of this.#instances.judgements) {
      if (verdict === true) causes.push(...each);
      if (causes.length >= LOOKED_AT_MAX) break;
    }
    return causes.sort((a, b) => b.ts - a.ts).slice(0, CAUSES_MAX);
  }

  #problem(): string | undefined {
    for (const { problem } of this.#instances.judgements) if (problem !== undefined) return problem;
    return undefined;
  }
}

/** Of ten that are told. */
const LOOKED_AT_MAX = 100;
