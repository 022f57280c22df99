import { defineFunction, type Value } from '@weir/runtime/author';

interface Passed {
  value: Value;
  ts: number;
  unit?: string;
}

interface State {
  /** What was passed on last, by series. */
  passed: { [series: string]: Passed };
}

interface Config {
  /** Absolute, in the unit of the readings. Default 0.5. */
  band?: number;
  /** On top of it, a part of the value passed last: 0.01 is one per cent. Default 0. */
  relative?: number;
  /** A value that does not move is passed on after so many seconds all the same. Default 900. */
  silenceSeconds?: number;
}

/**
 * Passes a reading on as `<metric>_filtered` only when it has left the band around the one passed on last, or when nothing was
 * passed on for long. Late readings are left out: what they say was already decided.
 */
export default defineFunction<State, Config>({
  name: 'dead-band',
  version: '1.0.0',
  state: () => ({ passed: {} }),
  reading(reading, ctx) {
    const { band = 0.5, relative = 0, silenceSeconds = 900 } = ctx.config;
    const { sensor, metric, value, ts, unit } = reading;
    if (reading.quality !== undefined || metric.endsWith('_filtered')) return;
    const series = `${sensor}/${metric}`;
    const last = ctx.state.passed[series];
    if (last !== undefined) {
      if (ts <= last.ts) return;
      const isSilent = ts - last.ts >= silenceSeconds * 1000;
      if (!isSilent && last.unit === unit && !leaves(last.value, value, band, relative)) return;
    }
    const labelled = unit === undefined ? {} : { unit };
    ctx.state.passed[series] = { value, ts, ...labelled };
    ctx.emit({ metric: `${metric}_filtered`, value, ...labelled });
  },
});

/** States and texts have no band: any change counts. */
function leaves(from: Value, to: Value, band: number, relative: number): boolean {
  if (typeof from !== 'number' || typeof to !== 'number') return from !== to;
  return Math.abs(to - from) > band + relative * Math.abs(from);
}
