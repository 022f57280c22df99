import type { Condition, Json, Value } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { LevelSource } from './levels.ts';
import { among, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { numberOf, sameValue } from './values.ts';
import { earlier, type Looked, Watch } from './watch.ts';

type Compared = Extract<Condition, { level: unknown } | { levels: unknown }>;

/** One measure against a level, or against both ends of a range. */
export class Comparison implements Node {
  #kind: Compared['kind'];
  #every: boolean;
  #watch: Watch;
  #levels: LevelSource[];

  constructor(condition: Compared, scope: Scope, state: Json | undefined) {
    this.#kind = condition.kind;
    this.#every = scope.every;
    const [watch, ...levels] = (state ?? []) as Json[];
    this.#watch = new Watch(condition.signal, scope, watch);
    const given = 'levels' in condition ? condition.levels : [condition.level];
    this.#levels = given.map((level, at) => new LevelSource(level, scope, levels[at]));
  }

  takes(series: SeriesName): boolean {
    return this.#watch.takes(series) || this.#levels.some((level) => level.takes(series));
  }

  take(sample: Sample): boolean {
    let isFresh = this.#watch.take(sample);
    for (const level of this.#levels) if (level.take(sample)) isFresh = true;
    return isFresh;
  }

  judge(now: number): Judgement {
    const levels: Value[] = [];
    let problem: string | undefined;
    for (const source of this.#levels) {
      const at = source.at(now);
      if (at.value !== undefined) levels.push(at.value);
      problem ??= at.problem;
    }
    const looked = this.#watch.look(now);
    const isKnown = levels.length === this.#levels.length;
    const compared = looked.map((each) =>
      isKnown ? compare(this.#kind, each, levels) : { ...each, verdict: undefined },
    );
    const verdict = among(
      compared.map((each) => each.verdict),
      this.#every,
    );
    const judgement: Judgement = { verdict, causes: [] };
    const worst = worstOf(compared);
    if (worst !== undefined) {
      judgement.causes = worst.causes;
      if (worst.value !== undefined) judgement.value = worst.value;
      if (worst.level !== undefined) judgement.level = worst.level;
      if (worst.badness !== undefined) judgement.badness = worst.badness;
      if (worst.members !== undefined) judgement.members = worst.members;
    }
    if (verdict === undefined) {
      problem ??= looked.find((each) => each.problem !== undefined)?.problem;
      if (problem !== undefined) judgement.problem = problem;
    }
    const due = this.#dueAt(now);
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  get state(): Json {
    return [this.#watch.state, ...this.#levels.map((level) => level.state)];
  }

  partOf(device: string | undefined): Json {
    return [this.#watch.partOf(device), ...this.#levels.map((level) => level.partOf(device))];
  }

  turn(device: string, turn: Turn): void {
    this.#watch.turn(device, turn);
    for (const level of this.#levels) level.turn(device, turn);
  }

  moveTime(move: TimeMove): void {
    this.#watch.moveTime(move);
    for (const level of this.#levels) level.moveTime(move);
  }

  rearm(): void {}

  #dueAt(now: number): number | undefined {
    let due = this.#watch.dueAt(now);
    for (const level of this.#levels) due = earlier(due, level.dueAt(now));
    return due;
  }
}

interface Compare extends Looked {
  verdict: Verdict;
  level?: number;
  badness?: number;
}

function compare(kind: Compared['kind'], looked: Looked, levels: readonly Value[]): Compare {
  const { value } = looked;
  if (value === undefined) return { ...looked, verdict: undefined };
  if (kind === 'equals' || kind === 'not-equals') {
    const same = sameValue(value, levels[0]!);
    const level = numberOf(levels[0]);
    const verdict = same === undefined ? undefined : same === (kind === 'equals');
    return level === undefined ? { ...looked, verdict } : { ...looked, verdict, level };
  }
  const amount = numberOf(value);
  const [low, high = low] = levels.map(numberOf);
  if (amount === undefined || low === undefined || high === undefined) return { ...looked, verdict: undefined };
  if (kind === 'above' || kind === 'at-least') {
    const verdict = kind === 'above' ? amount > low : amount >= low;
    return { ...looked, verdict, level: low, badness: amount - low };
  }
  if (kind === 'below' || kind === 'at-most') {
    const verdict = kind === 'below' ? amount < low : amount <= low;
    return { ...looked, verdict, level: low, badness: low - amount };
  }
  const level = amount - low < high - amount ? low : high;
  const within = Math.min(amount - low, high - amount);
  const isInside = amount >= low && amount <= high;
  if (kind === 'inside') return { ...looked, verdict: isInside, level, badness: within };
  return { ...looked, verdict: !isInside, level, badness: -within };
}

/** Of those for which it holds, if there are any. */
function worstOf(compared: readonly Compare[]): Compare | undefined {
  let worst: Compare | undefined;
  for (const each of compared) {
    if (worst === undefined || rank(each) > rank(worst)) worst = each;
    else if (rank(each) === rank(worst) && (each.badness ?? 0) > (worst.badness ?? 0)) worst = each;
  }
  return worst;
}

function rank({ verdict }: Compare): number {
  if (verdict === undefined) return 0;
  return verdict ? 2 : 1;
}
