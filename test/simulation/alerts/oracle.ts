/**
 * What a rule should have said, from all that was measured, in order, by somebody who sees everything: at each moment all is
 * worked out anew from the first sample on. Slow, and meant to be obvious; it shares nothing with the engine but the plan.
 *
 *     for each moment:  what is due, with what was measured before it;  then with what was measured at it
 *
 * Of a moment each series has one sample, and all of them are known at once; all durations of the rule are whole multiples of `momentMs`.
 */
import type { Condition, Level, RulePlan, Signal, Value } from '@weir/protocols';
import { type Episode, type Known, Machine } from './machine.ts';
import { type Measured, measure, numeric, type Series } from './measures.ts';

export interface OracleOptions {
  plan: RulePlan;
  /** In order. */
  samples: readonly Measured[];
  from: number;
  until: number;
  momentMs: number;
  config: Record<string, unknown>;
}

export function episodesOf(options: OracleOptions): Episode[] {
  const { plan, samples } = options;
  const subjects = new Map<string, { sensor?: string; metric?: string }>();
  for (const { sensor, metric } of samples) {
    if (plan.by === 'device') subjects.set('device', {});
    else if (!like(plan.watches.sensor, sensor)) continue;
    else if (plan.by === 'sensor') subjects.set(sensor, { sensor });
    else if (like(plan.watches.metric, metric)) subjects.set(`${sensor}/${metric}`, { sensor, metric });
  }
  return [...subjects].flatMap(([name, subject]) => new SubjectOracle(options, name, subject).run());
}

function like(glob: string, name: string): boolean {
  return new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replace(/[.]/g, '\\.'))
      .join('.*')}$`,
  ).test(name);
}

class SubjectOracle {
  readonly #options: OracleOptions;
  readonly #name: string;
  readonly #subject: { sensor?: string; metric?: string };
  readonly #all: Measured[];

  constructor(options: OracleOptions, name: string, subject: { sensor?: string; metric?: string }) {
    this.#options = options;
    this.#name = name;
    this.#subject = subject;
    this.#all = options.samples.filter((each) => this.#signals().some((signal) => this.#isOf(signal, each)));
  }

  run(): Episode[] {
    const { from, until, momentMs, plan } = this.#options;
    const first = this.#all.find((each) => this.#isOwn(each));
    const machine = new Machine(plan, this.#name);
    if (first === undefined) return [];
    for (let now = from; now <= until; now += momentMs) {
      const before = this.#all.filter(({ ts }) => ts < now);
      const at = this.#all.filter(({ ts }) => ts === now);
      if (now > first.ts && at.length === 0) machine.look(now, false, this.#rungs(before, now));
      if (now >= first.ts && at.length > 0) machine.look(now, true, this.#rungs([...before, ...at], now));
    }
    return machine.episodes;
  }

  #isOwn({ sensor, metric }: Measured): boolean {
    const { by, watches } = this.#options.plan;
    if (by === 'device') return true;
    return (
      sensor === this.#subject.sensor &&
      (by === 'sensor' || (metric === this.#subject.metric && like(watches.metric, metric)))
    );
  }

  #rungs(samples: Measured[], now: number): { on: Known; over: Known }[] {
    return this.#options.plan.ladder.map(({ when, clear }) => {
      const on = this.#holds(when, samples, now, false);
      const negated = on === undefined ? undefined : !on;
      return { on, over: clear === undefined ? negated : this.#holds(clear, samples, now, true) };
    });
  }

  #holds(condition: Condition, samples: Measured[], now: number, every: boolean): Known {
    switch (condition.kind) {
      case 'of':
        return enough(
          condition.atLeast,
          condition.conditions.map((part) => this.#holds(part, samples, now, every)),
        );
      case 'series':
        return this.#holdsOfSeries(condition, samples, now, every);
      case 'repeated':
        return this.#holdsAgain(condition, samples, now, every);
      case 'silent':
        return oneOrAll(
          this.#seriesOf(condition.signal, samples).map((series) => now - series.at(-1)!.ts >= condition.forMs),
          every,
        );
      case 'adaptive':
        throw new Error('an oracle knows no baseline');
      default:
        return this.#compares(condition, samples, now, every);
    }
  }

  #compares(
    condition: Extract<Condition, { level: unknown } | { levels: unknown }>,
    samples: Measured[],
    now: number,
    every: boolean,
  ): Known {
    const given = 'levels' in condition ? condition.levels : [condition.level];
    const levels = given.map((level) => this.#level(level, samples, now));
    const values = this.#values(condition.signal, samples, now);
    return oneOrAll(
      values.map((value) => compares(condition.kind, value, levels)),
      every,
    );
  }

  #holdsOfSeries(
    { atLeast, condition }: Extract<Condition, { kind: 'series' }>,
    samples: Measured[],
    now: number,
    every: boolean,
  ): Known {
    const signals = signalsIn(condition);
    const [signal] = signals;
    const isOne = signals.every((each) => each.sensor === signal!.sensor && each.metric === signal!.metric);
    const verdicts = isOne
      ? this.#seriesOf(signal!, samples).map((series) => this.#holds(condition, series, now, every))
      : this.#sensorsOf(signals, samples).map((each) => each.#holds(condition, samples, now, every));
    if (verdicts.length === 0) return undefined;
    if (typeof atLeast === 'number') return enough(atLeast, verdicts);
    const known = verdicts.filter((verdict) => verdict !== undefined);
    return known.length === 0 ? undefined : known.filter(Boolean).length >= atLeast.share * known.length;
  }

  /** Each with what is its own; and what a condition names is of all of them. */
  #sensorsOf(signals: Signal[], samples: Measured[]): SubjectOracle[] {
    const open = signals.filter(({ sensor }) => sensor.includes('*'));
    const own = samples.filter((each) => open.some((signal) => this.#isOf(signal, each)));
    const sensors = [...new Set(own.map(({ sensor }) => sensor))];
    return sensors.map((sensor) => new SubjectOracle(this.#options, sensor, { sensor }));
  }

  #holdsAgain(
    condition: Extract<Condition, { kind: 'repeated' }>,
    samples: Measured[],
    now: number,
    every: boolean,
  ): Known {
    const signals = signalsIn(condition.condition);
    const isOne = signals.length === 1 && signals[0]!.across === undefined;
    const apart = isOne
      ? this.#seriesOf(signals[0]!, samples)
      : [samples.filter((each) => signals.some((signal) => this.#isOf(signal, each)))];
    const verdicts = apart.map((series): Known => {
      const { within } = condition;
      // Of several signals that say something at once: that is once.
      const moments = [...new Set(series.map(({ ts }) => ts))];
      const counted =
        'samples' in within ? moments.slice(-within.samples) : moments.filter((ts) => ts > now - within.ms);
      if (series.length === 0) return 'samples' in within ? undefined : false;
      return enough(
        condition.times,
        counted.map((at) =>
          this.#holds(
            condition.condition,
            series.filter(({ ts }) => ts <= at),
            at,
            every,
          ),
        ),
      );
    });
    return oneOrAll(verdicts, every);
  }

  #level(level: Level, samples: Measured[], now: number): Value | undefined {
    if (typeof level !== 'object') return level;
    if ('tag' in level) {
      const given = this.#options.config[level.tag];
      return given === undefined ? level.default : Number(given);
    }
    const values = this.#values(level.signal, samples, now);
    const amount = values.length === 1 ? numeric(values[0]) : undefined;
    return amount === undefined ? undefined : amount * level.times + level.plus;
  }

  /** Of each series, or of all of them taken together. */
  #values(signal: Signal, samples: Measured[], now: number): (Value | undefined)[] {
    const values = this.#seriesOf(signal, samples).map((series) => measure(signal.measure, series, now));
    // None of a series that is named are none.
    const isNamed = !`${signal.sensor}${signal.metric}`.includes('*') || this.#subject.metric !== undefined;
    const counts = signal.measure.kind === 'count' && signal.measure.window.mode === 'sliding';
    if (values.length === 0 && counts && isNamed && signal.across === undefined) return [0];
    if (signal.across === undefined) return values;
    const known = values.map(numeric).filter((value) => value !== undefined);
    if (signal.across === 'count') return [known.length];
    if (known.length === 0) return [undefined];
    const sum = known.reduce((a, b) => a + b, 0);
    return [{ mean: sum / known.length, sum, min: Math.min(...known), max: Math.max(...known) }[signal.across]];
  }

  #seriesOf(signal: Signal, samples: Measured[]): Series[] {
    const series = new Map<string, Series>();
    for (const each of samples) {
      if (!this.#isOf(signal, each)) continue;
      const key = `${each.sensor}/${each.metric}`;
      series.set(key, [...(series.get(key) ?? []), each]);
    }
    return [...series.values()];
  }

  /** Of a series or a sensor, what takes its sensor is its own. */
  #isOf(signal: Signal, { sensor, metric }: Measured): boolean {
    const own = this.#subject.sensor;
    if (own === undefined || !like(signal.sensor, own))
      return like(signal.sensor, sensor) && like(signal.metric, metric);
    const ownMetric = this.#subject.metric;
    const isMetric =
      ownMetric !== undefined && like(signal.metric, ownMetric) ? metric === ownMetric : like(signal.metric, metric);
    return sensor === own && isMetric;
  }

  #signals(): Signal[] {
    return this.#options.plan.ladder.flatMap(({ when, clear }) => [
      ...signalsIn(when),
      ...(clear ? signalsIn(clear) : []),
    ]);
  }
}

function signalsIn(condition: Condition): Signal[] {
  if (condition.kind === 'of') return condition.conditions.flatMap(signalsIn);
  if (condition.kind === 'series' || condition.kind === 'repeated') return signalsIn(condition.condition);
  if (condition.kind === 'silent' || condition.kind === 'adaptive') return [condition.signal];
  const levels = 'levels' in condition ? condition.levels : [condition.level];
  return [
    condition.signal,
    ...levels.flatMap((level) => (typeof level === 'object' && 'signal' in level ? [level.signal] : [])),
  ];
}

/** So many are true; those that are unknown might be. */
function enough(wanted: number, verdicts: readonly Known[]): Known {
  if (verdicts.filter((verdict) => verdict === true).length >= wanted) return true;
  return verdicts.filter((verdict) => verdict !== false).length >= wanted ? undefined : false;
}

function oneOrAll(verdicts: readonly Known[], every: boolean): Known {
  if (verdicts.length === 0) return undefined;
  if (!every) return enough(1, verdicts);
  return verdicts.includes(false) ? false : verdicts.includes(undefined) ? undefined : true;
}

function compares(kind: Condition['kind'], value: Value | undefined, levels: readonly (Value | undefined)[]): Known {
  if (value === undefined || levels.includes(undefined)) return undefined;
  if (kind === 'equals' || kind === 'not-equals') {
    const isText = typeof value === 'string';
    if (isText !== (typeof levels[0] === 'string')) return undefined;
    const isSame = isText ? value === levels[0] : Number(value) === Number(levels[0]);
    return isSame === (kind === 'equals');
  }
  const amount = numeric(value);
  const [low, high] = levels.map(numeric);
  if (amount === undefined || low === undefined) return undefined;
  switch (kind) {
    case 'above':
      return amount > low;
    case 'at-least':
      return amount >= low;
    case 'below':
      return amount < low;
    case 'at-most':
      return amount <= low;
    case 'outside':
      return amount < low || amount > high!;
    default:
      return amount >= low && amount <= high!;
  }
}
