import type { Condition, Json } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { type LevelAt, LevelSource } from './levels.ts';
import { among, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { numberOf, sameAsText, sameValue } from './values.ts';
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
    const levels: LevelAt[] = [];
    let problem: string | undefined;
    for (const source of this.#levels) {
      const at = source.at(now);
      if (at.value !== undefined) levels.push(at);
      problem ??= at.problem ?? this.#problemOf(at);
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

  /** A level that no reading could ever be beyond. */
  #problemOf({ value }: LevelAt): string | undefined {
    if (this.#kind === 'equals' || this.#kind === 'not-equals' || typeof value !== 'string') return undefined;
    return `no level: ${JSON.stringify(value.slice(0, 64))} is no number`;
  }

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

function compare(kind: Compared['kind'], looked: Looked, levels: readonly LevelAt[]): Compare {
  const { value } = looked;
  if (value === undefined) return { ...looked, verdict: undefined };
  if (kind === 'equals' || kind === 'not-equals') {
    const [{ value: wanted, text } = {}] = levels;
    const same = sameValue(value, wanted!) ?? (text === undefined ? undefined : sameAsText(value, text));
    const level = numberOf(wanted);
    const verdict = same === undefined ? undefined : same === (kind === 'equals');
    return level === undefined ? { ...looked, verdict } : { ...looked, verdict, level };
  }
  const amount = numberOf(value);
  const low = numberOf(levels[0]?.value);
  const high = numberOf(levels[1]?.value) ?? low;
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
