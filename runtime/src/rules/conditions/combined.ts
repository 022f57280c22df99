import type { Condition, Json } from '@weir/protocols';
import { CAUSES_MAX } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { atLeast } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { earlier } from './watch.ts';

/** So many of its parts hold. */
export class Combined implements Node {
  #wanted: number;
  #parts: Node[];

  constructor(
    condition: Extract<Condition, { kind: 'of' }>,
    scope: Scope,
    state: Json | undefined,
    build: (condition: Condition, scope: Scope, state: Json | undefined) => Node,
  ) {
    this.#wanted = condition.atLeast;
    const saved = (state ?? []) as Json[];
    this.#parts = condition.conditions.map((part, at) => build(part, scope, saved[at]));
  }

  takes(series: SeriesName): boolean {
    return this.#parts.some((part) => part.takes(series));
  }

  take(sample: Sample): boolean {
    let isFresh = false;
    for (const part of this.#parts) if (part.take(sample)) isFresh = true;
    return isFresh;
  }

  judge(now: number): Judgement {
    const judged = this.#parts.map((part) => part.judge(now));
    const holding = judged.filter(({ verdict }) => verdict === true);
    const unknown = judged.filter(({ verdict }) => verdict === undefined);
    const verdict = atLeast(this.#wanted, holding.length, unknown.length);
    // Values of different signals cannot be told worse or better: the first that holds speaks for all.
    const first = holding[0] ?? judged[0];
    const causes = (holding.length > 0 ? holding : judged).flatMap((each) => each.causes);
    const judgement: Judgement = { ...first, verdict, causes: causes.sort((a, b) => b.ts - a.ts).slice(0, CAUSES_MAX) };
    delete judgement.problem;
    delete judgement.dueAt;
    const problem = verdict === undefined ? unknown.find((each) => each.problem !== undefined)?.problem : undefined;
    if (problem !== undefined) judgement.problem = problem;
    let due: number | undefined;
    for (const each of judged) due = earlier(due, each.dueAt);
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  get state(): Json {
    return this.#parts.map((part) => part.state);
  }

  partOf(device: string | undefined): Json {
    return this.#parts.map((part) => part.partOf(device));
  }

  turn(device: string, turn: Turn): void {
    for (const part of this.#parts) part.turn(device, turn);
  }

  moveTime(move: TimeMove): void {
    for (const part of this.#parts) part.moveTime(move);
  }

  rearm(at: number): void {
    for (const part of this.#parts) part.rearm(at);
  }
}
