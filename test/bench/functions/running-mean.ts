import { defineFunction } from '@weir/runtime/author';

/** Running mean and highest value of every series: cheap, with a state that every reading changes. */
export default defineFunction<{ count: number; series: { [name: string]: { mean: number; max: number } } }>({
  name: 'running-mean',
  version: '1.0.0',
  state: () => ({ count: 0, series: {} }),
  readings(batch, ctx) {
    const { state } = ctx;
    const entries = batch.series.map(({ sensor, metric }) => {
      const name = `${sensor}/${metric}`;
      state.series[name] ??= { mean: 0, max: Number.NEGATIVE_INFINITY };
      return state.series[name];
    });
    for (let i = 0; i < batch.count; i++) {
      const entry = entries[batch.index[i]!]!;
      const value = batch.values[i]!;
      entry.mean += (value - entry.mean) * 0.05;
      if (value > entry.max) entry.max = value;
    }
    state.count += batch.count;
  },
});
