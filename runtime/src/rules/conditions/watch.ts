import type { AlertCause, Json, Signal, Value } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Sample } from './condition.ts';
import { createGauge, type Gauge } from './gauge.ts';
import type { Scope, SeriesName, Turn } from './node.ts';
import { packedSeries, SeriesByDevice } from './series-by-device.ts';
import { isOpen, matches, type Pattern, patternOf } from './signals.ts';
import { UnitOfSignal } from './unit-of-signal.ts';
import { goodValue, numberOf } from './values.ts';

/** What a signal says at a moment: of one series, or of all together. */
export interface Looked {
  value: Value | undefined;
  problem?: string;
  causes: AlertCause[];
  /** Of all together: of how many series something is known, and of how many not. */
  members?: { known: number; unknown: number };
}

/** One series of a signal. */
interface Track extends SeriesName {
  /** Of the last sample; what it was worth. */
  ts: number;
  value: Value | undefined;
  gauge: Gauge;
  problem?: string | undefined;
  /** Its device is away: what it said is not known to be so any more. */
  isAway: boolean;
}

type TrackState = [
  device: string,
  sensor: string,
  metric: string,
  ts: number,
  value: Value | null,
  gauge: Json,
  problem?: string | null,
  away?: 1,
];

/** The series of one signal, each with its measure. */
export class Watch {
  readonly signal: Signal;
  readonly pattern: Pattern;
  readonly #tracks: SeriesByDevice<Track>;
  /** The only one, of a signal that no `*` leaves open: it needs no key. */
  #only: Track | undefined;
  #isSingle: boolean;
  /** Undefined: readings are taken as they are. */
  #unit: UnitOfSignal | undefined;
  #hasTooMany = false;

  constructor(signal: Signal, scope: Scope, state: Json | undefined) {
    this.signal = signal;
    this.#tracks = new SeriesByDevice(scope.isGroup);
    this.pattern = patternOf(signal, scope.subject);
    // How many there are has nothing to do with what they are in.
    if (signal.unit !== undefined && signal.measure.kind !== 'count') this.#unit = new UnitOfSignal(signal.unit);
    this.#isSingle = !scope.isGroup && !isOpen(this.pattern.sensor) && !isOpen(this.pattern.metric);
    for (const saved of packedSeries<TrackState>(state)) {
      const [device, sensor, metric, ts, value, gauge, problem, away] = saved;
      const made: Track = {
        device,
        sensor,
        metric,
        ts,
        value: value ?? undefined,
        gauge: createGauge(signal.measure, gauge),
        isAway: away === 1,
      };
      if (problem != null) made.problem = problem;
      this.#keep(made);
    }
  }

  takes(series: SeriesName): boolean {
    return matches(this.pattern, series);
  }

  take(sample: Sample): boolean {
    if (!this.takes(sample)) return false;
    const track = this.#isSingle ? this.#only : this.#tracks.get(sample);
    const good = goodValue(sample);
    const { value, problem } = this.#unit === undefined ? { value: good } : this.#unit.convert(good, sample.unit);
    if (track === undefined) return this.#begin(sample, value, problem);
    if (sample.ts < track.ts || (sample.ts === track.ts && value === track.value)) return false;
    track.ts = sample.ts;
    track.value = value;
    track.problem = problem;
    track.isAway = sample.isStale === true;
    track.gauge.add(sample.ts, value);
    return true;
  }

  /** Each series for itself, or all together where the signal says so; nothing where nothing has come. */
  look(now: number): Looked[] {
    if (this.#hasTooMany) return [{ value: undefined, problem: `more than ${SERIES_MAX} series`, causes: [] }];
    if (this.signal.across !== undefined) return this.#together(this.signal.across, now);
    if (this.#isSingle) return this.#only === undefined ? NOTHING_YET(this.signal) : [lookAt(this.#only, now)];
    return this.#tracks.values.map((track) => lookAt(track, now));
  }

  dueAt(now: number): number | undefined {
    if (this.signal.measure.kind === 'last') return undefined;
    let due: number | undefined;
    for (const track of this.#all()) due = earlier(due, track.gauge.dueAt(now));
    return due;
  }

  get state(): Json {
    return this.#isSingle ? this.#all().map(packedTrack) : this.#tracks.state(packedTrack);
  }

  /** As with a node. */
  partOf(device: string | undefined): Json {
    return this.#tracks.partOf(device, packedTrack);
  }

  turn(device: string, turn: Turn): void {
    if (turn.is === 'gone') this.#tracks.deleteDevice(device);
    if (turn.is !== 'away') return;
    for (const track of this.#isSingle ? this.#all() : this.#tracks.of(device)) track.isAway = true;
  }

  moveTime(move: TimeMove): void {
    for (const track of this.#all()) {
      track.ts = movedPast(track.ts, move);
      track.gauge.moveTime(move);
    }
  }

  #all(): readonly Track[] {
    if (!this.#isSingle) return this.#tracks.values;
    return this.#only === undefined ? [] : [this.#only];
  }

  #begin(
    { device, sensor, metric, ts, isStale = false }: Sample,
    value: Value | undefined,
    problem: string | undefined,
  ): boolean {
    if (this.#tracks.size >= SERIES_MAX) {
      this.#hasTooMany = true;
      return false;
    }
    const gauge = createGauge(this.signal.measure, undefined);
    gauge.add(ts, value);
    this.#keep({ device, sensor, metric, ts, value, gauge, problem, isAway: isStale });
    return true;
  }

  #keep(track: Track): void {
    if (this.#isSingle) this.#only = track;
    else this.#tracks.add(track, track);
  }

  #together(across: NonNullable<Signal['across']>, now: number): Looked[] {
    const known: number[] = [];
    const latest: Track[] = [];
    let problem: string | undefined;
    for (const track of this.#all()) {
      if (track.isAway) continue;
      const value = numberOf(track.gauge.valueAt(now));
      if (value !== undefined) known.push(value);
      problem ??= track.problem;
      latest.push(track);
    }
    const causes = latest
      .sort((a, b) => b.ts - a.ts)
      .slice(0, ACROSS_CAUSES_MAX)
      .flatMap(causeOf);
    const value = across === 'count' ? known.length : joined(across, known);
    const members = { known: known.length, unknown: this.#all().length - known.length };
    const looked = { value, causes, members };
    return [value === undefined && problem !== undefined ? { ...looked, problem } : looked];
  }
}

/** Readings are counted from the first moment on: none of a series that is named is none. */
const NOTHING_YET = ({ measure }: Signal): Looked[] => {
  const isZero = measure.kind === 'count' && measure.window.mode === 'sliding';
  return isZero ? [{ value: 0, causes: [] }] : [];
};

function packedTrack({ device, sensor, metric, ts, value, gauge, problem, isAway }: Track): Json {
  const state: TrackState = [device, sensor, metric, ts, value ?? null, gauge.state];
  if (isAway) state.push(problem ?? null, 1);
  else if (problem !== undefined) state.push(problem);
  return state as unknown as Json;
}

function lookAt(track: Track, now: number): Looked {
  if (track.isAway) return { value: undefined, causes: [] };
  const looked: Looked = { value: track.gauge.valueAt(now), causes: causeOf(track) };
  if (track.problem !== undefined) looked.problem = track.problem;
  return looked;
}

function causeOf({ device, sensor, metric, ts, value }: Track): AlertCause[] {
  return value === undefined ? [] : [{ device, sensor, metric, ts, value }];
}

/** Of those that are known; undefined: of none. */
function joined(across: 'mean' | 'min' | 'max' | 'sum', values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  switch (across) {
    case 'min':
      return values.reduce((a, b) => Math.min(a, b));
    case 'max':
      return values.reduce((a, b) => Math.max(a, b));
    case 'sum':
      return values.reduce((a, b) => a + b);
    case 'mean': {
      const base = values[0]!;
      return base + values.reduce((off, value) => off + (value - base), 0) / values.length;
    }
  }
}

export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** Names come from outside: a flood of made-up ones does not grow it. A fleet's group fits. */
export const SERIES_MAX = 10_000;

/** As many as a transition names. */
const ACROSS_CAUSES_MAX = 10;
