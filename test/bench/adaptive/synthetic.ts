/**
 * Traces with known anomalies, drawn from a seed: every kind of series with every kind of fault that it can have. None was
 * taken from a machine, and none was made so that a method does well on it; they are for comparison.
 */

export interface LabelledTrace {
  name: string;
  readings: { ts: number; value: number }[];
  /** Within them something is wrong, ms. */
  windows: [number, number][];
}

export type Draw = () => number;
/** The value at a time, when all is well. */
type Series = (at: number) => number;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A Monday. */
const START = Date.parse('2026-01-05T00:00:00Z');
const DAYS = 35;
const INTERVAL_MS = 5 * MINUTE_MS;

/** mulberry32 */
export function drawn(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const between = (draw: Draw, least: number, most: number) => least + (most - least) * draw();
export const among = <T>(draw: Draw, some: readonly T[]): T => some[Math.floor(draw() * some.length)]!;

export function normal(draw: Draw): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

/** Student's t with three degrees of freedom, of standard deviation one. */
export function heavy(draw: Draw): number {
  const chi = normal(draw) ** 2 + normal(draw) ** 2 + normal(draw) ** 2;
  return normal(draw) / Math.sqrt(chi);
}

const dayAngle = (at: number) => (2 * Math.PI * (at % DAY_MS)) / DAY_MS;
const hourOf = (at: number) => (at % DAY_MS) / HOUR_MS;
const isWeekend = (at: number) => new Date(at).getUTCDay() % 6 === 0;

/** Noise with a memory of `tauMs`, of standard deviation one. */
export function wandering(draw: Draw, tauMs: number): Series {
  let [last, value] = [START, 0];
  return (at) => {
    const kept = Math.exp(-(at - last) / tauMs);
    value = value * kept + normal(draw) * Math.sqrt(1 - kept * kept);
    last = at;
    return value;
  };
}

/** A machine that runs for some hours and stands for some, as it comes. */
export function switching(draw: Draw, meanMs: number): Series {
  let [until, on] = [START, false];
  return (at) => {
    while (at >= until) {
      until += meanMs * (0.5 + draw());
      on = !on;
    }
    return on ? 1 : 0;
  };
}

/** What a series is, and how far off its faults are: the size of what would be seen in it by eye. */
interface Kind {
  series(draw: Draw): Series;
  /** Size of faults. */
  size: number;
  intervalMs?: number;
  /** Interval varies by so much of itself; at times nothing comes for hours. */
  irregular?: number;
}

export const KINDS: Record<string, Kind> = {
  steady: { size: 8, series: (draw) => () => 50 + normal(draw) },
  daily: { size: 12, series: (draw) => (at) => 20 + 10 * Math.sin(dayAngle(at)) + normal(draw) },
  shift_work: {
    size: 15,
    series: (draw) => (at) => (hourOf(at) >= 8 && hourOf(at) < 18 && !isWeekend(at) ? 60 : 20) + 2 * normal(draw),
  },
  weekly: {
    size: 15,
    series: (draw) => (at) => 30 + (isWeekend(at) ? 4 : 12) * (1 + Math.sin(dayAngle(at))) + 1.5 * normal(draw),
  },
  correlated: {
    size: 8,
    series: (draw) => {
      const slow = wandering(draw, 6 * HOUR_MS);
      return (at) => 70 + 2 * slow(at) + 0.3 * normal(draw);
    },
  },
  wandering: {
    size: 12,
    series: (draw) => {
      const slow = wandering(draw, 5 * DAY_MS);
      return (at) => 20 + 4 * slow(at) + 3 * Math.sin(dayAngle(at)) + 0.5 * normal(draw);
    },
  },
  heavy_tailed: { size: 12, series: (draw) => () => 100 + heavy(draw) },
  spiky: { size: 15, series: (draw) => () => 5 + Math.abs(normal(draw)) + (draw() < 0.01 ? 20 * draw() : 0) },
  quantised: { size: 6, series: (draw) => (at) => Math.round(20 + 2 * Math.sin(dayAngle(at)) + 0.3 * normal(draw)) },
  constant: { size: 5, series: () => () => 42 },
  trending: { size: 10, series: (draw) => (at) => 10 + ((at - START) / DAY_MS) * 0.5 + normal(draw) },
  on_off: {
    size: 60,
    series: (draw) => {
      const on = switching(draw, 3 * HOUR_MS);
      return (at) => (on(at) === 1 ? 80 + 2 * normal(draw) : 20 + normal(draw));
    },
  },
  irregular: { size: 8, irregular: 0.9, series: (draw) => (at) => 50 + 5 * Math.sin(dayAngle(at)) + normal(draw) },
  hourly: { size: 12, intervalMs: HOUR_MS, series: (draw) => (at) => 20 + 8 * Math.sin(dayAngle(at)) + normal(draw) },
};

/** What is wrong from `from` to `to`; `draw` is for that alone. */
type Fault = (value: number, at: number, from: number, to: number, size: number, draw: Draw, series: Series) => number;

export const FAULTS: Record<string, { ms: number; does: Fault }> = {
  none: { ms: 0, does: (value) => value },
  shift: { ms: 18 * HOUR_MS, does: (value, _at, _from, _to, size) => value + size },
  drop: { ms: 18 * HOUR_MS, does: (value, _at, _from, _to, size) => value - size },
  spikes: { ms: 3 * HOUR_MS, does: (value, _at, _from, _to, size, draw) => value + (draw() < 0.3 ? 2 * size : 0) },
  drift: { ms: 36 * HOUR_MS, does: (value, at, from, to, size) => value + (1.5 * size * (at - from)) / (to - from) },
  noisy: { ms: 18 * HOUR_MS, does: (value, _at, _from, _to, size, draw) => value + 0.5 * size * normal(draw) },
  season: { ms: 24 * HOUR_MS, does: (_value, at, _from, _to, _size, _draw, series) => series(at + 12 * HOUR_MS) },
};

/** The value stays what it was. */
const STUCK_MS = 18 * HOUR_MS;

/** All of them: each kind with each fault. */
export function syntheticTraces(seed: number): LabelledTrace[] {
  const traces: LabelledTrace[] = [];
  for (const [k, kind] of Object.keys(KINDS).entries()) {
    for (const [f, fault] of [...Object.keys(FAULTS), 'stuck'].entries()) {
      if (isNoFault(kind, fault)) continue;
      traces.push(syntheticTrace(kind, fault, seed * 10_007 + k * 101 + f));
    }
  }
  return traces;
}

/** A season that is none cannot break, and what never changes or holds for hours is not stuck. */
function isNoFault(kind: string, fault: string): boolean {
  if (fault === 'season') return !['daily', 'shift_work', 'weekly', 'irregular', 'hourly'].includes(kind);
  if (fault === 'stuck') return ['constant', 'quantised'].includes(kind);
  return false;
}

export function syntheticTrace(kind: string, fault: string, seed: number): LabelledTrace {
  const draw = drawn(seed);
  const faultDraw = drawn(seed ^ 0x5bd1e995);
  const { series: make, size, intervalMs = INTERVAL_MS, irregular = 0 } = KINDS[kind]!;
  const series = make(draw);
  const ms = fault === 'stuck' ? STUCK_MS : FAULTS[fault]!.ms;
  // Three times, a week apart at least, after nine days in which all is well.
  const windows: [number, number][] =
    ms === 0
      ? []
      : [0, 1, 2].map((each) => {
          const from = START + (9.5 + each * 8.5 + 4 * faultDraw()) * DAY_MS;
          return [from, from + ms];
        });
  const readings: LabelledTrace['readings'] = [];
  let held: number | undefined;
  for (let at = START; at < START + DAYS * DAY_MS; at += intervalMs * (1 + irregular * (2 * draw() - 1))) {
    const ts = Math.round(at);
    // An outage of some hours, every other week.
    if (irregular > 0 && ts % (11 * DAY_MS) < 7 * HOUR_MS) continue;
    const value = series(ts);
    const window = windows.find(([from, to]) => ts >= from && ts < to);
    if (window === undefined) held = undefined;
    else if (fault === 'stuck') held ??= value;
    const wrong =
      window && fault !== 'stuck' ? FAULTS[fault]!.does(value, ts, ...window, size, faultDraw, series) : value;
    readings.push({ ts, value: held ?? wrong });
  }
  return { name: `${kind}/${fault}`, readings, windows };
}
