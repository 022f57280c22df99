import { defineFunction } from '@weir/runtime/author';

interface State {
  sum: number;
  count: number;
  min: number;
  max: number;
}

const empty = (): State => ({ sum: 0, count: 0, min: 0, max: 0 });

/**
 * Mean, least and greatest value of each series in every minute, by the time of the readings: a replay of last month
 * gives last month's minutes. A reading that comes late counts in the minute in which it comes.
 */
export default defineFunction<State>({
  name: 'window-mean',
  version: '1.0.0',
  inputs: [{ metric: 'power' }],
  key: 'series',
  state: empty,
  reading({ value }, ctx) {
    if (typeof value !== 'number') return;
    const { state } = ctx;
    state.min = state.count === 0 ? value : Math.min(state.min, value);
    state.max = state.count === 0 ? value : Math.max(state.max, value);
    state.sum += value;
    state.count++;
  },
  schedule: [
    {
      name: 'minute',
      every: '1m',
      // Moves with the readings: it runs before the first one of the next minute.
      time: 'event',
      run(ctx) {
        const { sum, count, min, max } = ctx.state;
        if (count === 0) return;
        const { sensor, metric } = ctx.series!;
        const emit = (name: string, value: number) =>
          ctx.emit({ sensor, metric: `${metric}_${name}`, value: Math.round(value * 1000) / 1000, unit: 'W' });
        emit('mean', sum / count);
        emit('min', min);
        emit('max', max);
        ctx.state = empty();
      },
    },
  ],
});
