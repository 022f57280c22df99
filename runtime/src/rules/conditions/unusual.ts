import type { Adaptive, AlertCause, Condition, Json, Signal, Value } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { type AdaptiveSeries, createAdaptive } from './adaptive/adaptive.ts';
import { byDevice, partByDevice } from './by-device.ts';
import type { Judgement, Sample } from './condition.ts';
import { among } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { packedSeries } from './series-by-device.ts';
import { matches, type Pattern, patternOf } from './signals.ts';
import { numberOf } from './values.ts';
import { Watch } from './watch.ts';

/** Each remembers some kilobytes; more are no rule but a fleet, which has one subject for each. */
const BASELINES_MAX = 1_000;

interface Learned {
  series: SeriesName;
  watch: Watch;
  baseline: AdaptiveSeries;
  /** Number of the window that was learned from last. */
  window: number;
}

type LearnedState = [device: string, sensor: string, metric: string, watch: Json, baseline: Json, window: number];

/** A measure against what it usually is: a baseline for each series of the signal, or one of all together. */
export class Unusual implements Node {
  readonly #signal: Signal;
  readonly #adaptive: Adaptive;
  readonly #scope: Scope;
  readonly #pattern: Pattern;
  readonly #learned = new Map<string, Learned>();
  #hasTooMany = false;

  constructor({ signal, adaptive }: Extract<Condition, { kind: 'adaptive' }>, scope: Scope, state: Json | undefined) {
    this.#signal = signal;
    this.#adaptive = adaptive;
    this.#scope = scope;
    this.#pattern = patternOf(signal, scope.subject);
    for (const each of packedSeries<LearnedState>(state)) {
      const [device, sensor, metric, watch, baseline, window] = each;
      const series = { device, sensor, metric };
      this.#learned.set(this.#keyOf(series), { ...this.#begin(series, watch, baseline), window });
    }
  }

  takes(series: SeriesName): boolean {
    return matches(this.#pattern, series);
  }

  take(sample: Sample): boolean {
    if (!this.takes(sample)) return false;
    const learned = this.#learnedOf(sample);
    if (learned === undefined || !learned.watch.take(sample)) return false;
    const value = numberOf(learned.watch.look(sample.ts)[0]?.value);
    // What says nothing is neither usual nor unusual, and nothing to learn from.
    const window = this.#windowOf(sample.ts);
    if (value === undefined || window === learned.window) return true;
    learned.window = window;
    learned.baseline.take(sample.ts, value);
    return true;
  }

  judge(now: number): Judgement {
    if (this.#hasTooMany) return { verdict: undefined, problem: `more than ${BASELINES_MAX} series`, causes: [] };
    const judged = [...this.#learned.values()].map((learned) => judgementOf(learned, now));
    const verdict = among(
      judged.map((each) => each.verdict),
      this.#scope.every,
    );
    const worst = judged.reduce<Judgement | undefined>((a, b) => (a === undefined || isWorse(b, a) ? b : a), undefined);
    const problem = verdict === undefined ? judged.find((each) => each.problem !== undefined)?.problem : undefined;
    return { ...worst, causes: worst?.causes ?? [], verdict, ...(problem !== undefined && { problem }) };
  }

  get state(): Json {
    const all = [...this.#learned.values()];
    if (!this.#isByDevice) return all.map((each) => packedLearned(each));
    const devices = new Set(all.map(({ series }) => series.device));
    return byDevice([...devices].map((device) => [device, this.#learnedBy(device)]));
  }

  partOf(device: string | undefined): Json {
    if (!this.#isByDevice) {
      return [...this.#learned.values()].map((each) => {
        const watch = each.watch.partOf(device);
        return device === undefined ? packedLearned(each, watch) : [null, null, null, watch];
      });
    }
    return partByDevice(device, (of) => {
      const learned = this.#learnedBy(of);
      return learned.length === 0 ? undefined : learned;
    });
  }

  turn(device: string, turn: Turn): void {
    for (const [key, { series, watch }] of this.#learned) {
      if (this.#signal.across !== undefined) watch.turn(device, turn);
      else if (series.device !== device) continue;
      else if (turn.is === 'gone') this.#learned.delete(key);
      else watch.turn(device, turn);
    }
  }

  moveTime(move: TimeMove): void {
    for (const { watch, baseline } of this.#learned.values()) {
      watch.moveTime(move);
      baseline.moveTime(move);
    }
  }

  /** What was not heard is an outage, and no judgement. */
  rearm(): void {}

  /** Of a group, unless all of it is one. */
  get #isByDevice(): boolean {
    return this.#scope.isGroup && this.#signal.across === undefined;
  }

  #learnedBy(device: string): Json[] {
    const own = [...this.#learned.values()].filter(({ series }) => series.device === device);
    return own.map((each) => packedLearned(each));
  }

  #learnedOf({ device, sensor, metric }: SeriesName): Learned | undefined {
    const series = { device, sensor, metric };
    const key = this.#keyOf(series);
    const known = this.#learned.get(key);
    if (known !== undefined) return known;
    if (this.#learned.size >= BASELINES_MAX) {
      this.#hasTooMany = true;
      return undefined;
    }
    const begun = this.#begin(series, undefined, undefined);
    this.#learned.set(key, begun);
    return begun;
  }

  #begin(series: SeriesName, watch: Json | undefined, baseline: Json | undefined): Learned {
    const isTogether = this.#signal.across !== undefined;
    const signal = isTogether ? this.#signal : { ...this.#signal, sensor: series.sensor, metric: series.metric };
    const scope = isTogether ? this.#scope : { ...this.#scope, isGroup: false };
    const made = createAdaptive(this.#adaptive, baseline);
    return { series, watch: new Watch(signal, scope, watch), baseline: made, window: -1 };
  }

  /** Of windows that follow one another each is looked at once, with the first reading after it; else each reading is one. */
  #windowOf(ts: number): number {
    const { measure } = this.#signal;
    const window = 'window' in measure ? measure.window : undefined;
    return window?.mode === 'tumbling' && 'ms' in window ? Math.floor(ts / window.ms) : ts;
  }

  #keyOf({ device, sensor, metric }: SeriesName): string {
    return this.#signal.across === undefined ? `${device}/${sensor}/${metric}` : '';
  }
}

function packedLearned({ series, watch, baseline, window }: Learned, watched: Json = watch.state): Json {
  const { device, sensor, metric } = series;
  return [device, sensor, metric, watched, baseline.state, window];
}

function judgementOf({ watch, baseline }: Learned, now: number): Judgement {
  const [looked] = watch.look(now);
  const causes: AlertCause[] = looked?.causes ?? [];
  const isKnown = numberOf(looked?.value) !== undefined;
  const { verdict, value, level, badness, reason, problem } = baseline.judgement;
  const judgement: Judgement = { verdict: isKnown ? verdict : undefined, causes };
  if (looked?.problem !== undefined) judgement.problem = looked.problem;
  if (!isKnown) return judgement;
  if (problem !== undefined) judgement.problem = problem;
  if (value !== undefined) judgement.value = value satisfies Value;
  if (level !== undefined) judgement.level = level;
  if (badness !== undefined) judgement.badness = badness;
  if (reason === 'unsteady' || reason === 'stuck') judgement.manner = reason;
  return judgement;
}

/** One for which it holds before one for which it does not; then the one that is further beyond. */
function isWorse(a: Judgement, b: Judgement): boolean {
  const rank = ({ verdict }: Judgement) => (verdict === undefined ? 0 : verdict ? 2 : 1);
  return rank(a) !== rank(b) ? rank(a) > rank(b) : (a.badness ?? 0) > (b.badness ?? 0);
}
