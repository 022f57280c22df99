import { defineFunction } from '@weir/runtime/author';

interface Track {
  /** The last ordinary values, oldest first. */
  window: number[];
  lastTs: number;
  /** Readings in a row that were far out, or ordinary while an alert is open. */
  run: number;
  isAnomalous: boolean;
  /** Since when nothing was ordinary, ms. */
  farOutSince?: number;
}

interface State {
  tracks: { [series: string]: Track };
}

interface Config {
  /** Readings that say what is ordinary. Default 288: a day at one every five minutes. */
  window?: number;
  /** Robust z-score over which a reading is far out. Default 6. */
  threshold?: number;
  /** So many in a row begin an alert, and so many end it. Default 3. */
  inRow?: number;
  /** The least spread that counts, in the unit of the readings: a sensor that is stuck has none. Default 0.5. */
  spreadMin?: number;
  /** After a gap so long what was ordinary before says little. Default 6. */
  gapHours?: number;
  /** What lasts so long is how things are now: it is learnt anew. Default 48. */
  relearnHours?: number;
}

const HOUR_MS = 3_600_000;
/** A normal distribution's standard deviation is so many times its median absolute deviation. */
const SIGMAS_PER_MAD = 1.4826;
/** With fewer values a median is chance. */
const VALUES_MIN = 24;

/**
 * Tells anomalies by the robust z-score: the distance from the median of what came before, in median absolute deviations.
 * Unlike mean and standard deviation these are not moved by the very outliers they should find.
 */
export default defineFunction<State, Config>({
  name: 'robust-anomaly',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  state: () => ({ tracks: {} }),
  reading({ sensor, metric, value, ts, quality }, ctx) {
    if (typeof value !== 'number' || quality !== undefined) return;
    const {
      window: size = 288,
      threshold = 6,
      inRow = 3,
      spreadMin = 0.5,
      gapHours = 6,
      relearnHours = 48,
    } = ctx.config;
    const series = `${sensor}/${metric}`;
    ctx.state.tracks[series] ??= { window: [], lastTs: ts - 1, run: 0, isAnomalous: false };
    const track = ctx.state.tracks[series]!;
    if (ts <= track.lastTs) return;
    if (ts - track.lastTs > gapHours * HOUR_MS) track.window = [];
    track.lastTs = ts;

    const z = track.window.length < VALUES_MIN ? 0 : score(track.window, value, spreadMin);
    const isFarOut = Math.abs(z) > threshold;
    ctx.emit({ metric: `${metric}_z`, value: Math.round(z * 100) / 100 });
    track.run = isFarOut === track.isAnomalous ? 0 : track.run + 1;
    if (track.run >= inRow) {
      track.isAnomalous = isFarOut;
      track.run = 0;
      ctx.alert({
        name: series,
        active: isFarOut,
        severity: 'warning',
        sensor,
        metric,
        value,
        summary: `${series} is ${Math.round(value * 100) / 100}, ${Math.abs(Math.round(z * 10) / 10)} deviations ${z > 0 ? 'over' : 'under'} the usual`,
      });
    }
    if (!isFarOut) {
      delete track.farOutSince;
      track.window.push(value);
    } else {
      track.farOutSince ??= ts;
      if (ts - track.farOutSince >= relearnHours * HOUR_MS) track.window = [];
    }
    while (track.window.length > size) track.window.shift();
  },
});

function score(window: readonly number[], value: number, spreadMin: number): number {
  return (value - median(window)) / spread(window, spreadMin);
}

function spread(window: readonly number[], spreadMin: number): number {
  const middle = median(window);
  return Math.max(spreadMin, SIGMAS_PER_MAD * median(window.map((each) => Math.abs(each - middle))));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
