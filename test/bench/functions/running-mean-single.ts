import { defineFunction } from '@weir/runtime/author';

/** As running-mean.ts, by the handler for single readings. */
export default defineFunction<{ count: number; series: { [name: string]: { mean: number; max: number } } }>({
  name: 'running-mean-single',
  version: '1.0.0',
  state: () => ({ count: 0, series: {} }),
  reading({ sensor, metric, value }, { state }) {
    const name = `${sensor}/${metric}`;
    state.series[name] ??= { mean: 0, max: Number.NEGATIVE_INFINITY };
    const entry = state.series[name];
    entry.mean += ((value as number) - entry.mean) * 0.05;
    if ((value as number) > entry.max) entry.max = value as number;
    state.count++;
  },
});
