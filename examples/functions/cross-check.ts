import { defineFunction } from '@weir/runtime/author';

interface State {
  /** The last value of each sensor, Cel. */
  latest: { [sensor: string]: { value: number; ts: number } };
  /** Since when a sensor has been off, ms. */
  offSince: { [sensor: string]: number };
}

interface Config {
  /** How far a sensor may be from the median, Cel. Default 2. */
  tolerance?: number;
  /** For how long it may be farther. Default 60. */
  seconds?: number;
  /** A value that is older says nothing of now. Default 120. */
  ageSeconds?: number;
}

/**
 * Watches sensors that measure the same, and says which one is off: farther from their median than it should be, for
 * longer than it should. It takes three that are fresh; of two nobody knows which one errs.
 */
export default defineFunction<State, Config>({
  name: 'cross-check',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  state: () => ({ latest: {}, offSince: {} }),
  reading({ sensor, value, ts, unit, quality }, ctx) {
    if (typeof value !== 'number' || quality !== undefined) return;
    const { latest, offSince } = ctx.state;
    if (latest[sensor] !== undefined && ts <= latest[sensor].ts) return;
    latest[sensor] = { value: celsius(value, unit), ts };
    const { tolerance = 2, seconds = 60, ageSeconds = 120 } = ctx.config;
    const newest = Math.max(...Object.values(latest).map((each) => each.ts));
    const fresh = Object.entries(latest).filter(([, each]) => newest - each.ts <= ageSeconds * 1000);
    const middle = median(fresh.map(([, each]) => each.value));
    for (const name of Object.keys(latest)) {
      const own = fresh.find(([each]) => each === name)?.[1];
      if (own === undefined || fresh.length < 3) {
        // Nothing can be said of it: an alert that is open stays open.
        delete offSince[name];
        continue;
      }
      const deviation = own.value - middle;
      if (Math.abs(deviation) <= tolerance) {
        delete offSince[name];
        ctx.alert({ name, active: false, sensor: name, summary: `${name} agrees with the others again` });
        continue;
      }
      offSince[name] ??= newest;
      if (newest - offSince[name]! < seconds * 1000) continue;
      const by = Math.round(deviation * 100) / 100;
      ctx.alert({
        name,
        active: true,
        severity: 'warning',
        sensor: name,
        metric: 'temperature',
        value: by,
        summary: `${name} is ${Math.abs(by)} Cel ${by > 0 ? 'over' : 'under'} the median of ${fresh.length} sensors`,
      });
    }
  },
});

function celsius(value: number, unit = 'Cel'): number {
  if (unit === 'degF' || unit === '[degF]') return ((value - 32) * 5) / 9;
  return unit === 'K' ? value - 273.15 : value;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
