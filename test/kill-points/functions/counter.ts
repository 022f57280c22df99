/** State from reading to reading, chance, logs, publishes, an alert of its own. */
import { defineFunction } from '@weir/runtime/author';

interface State {
  n: number;
  starts: number;
  luck: number;
  /** Order of keys and numbers that JSON changes are part of what must come back. */
  seen: { [series: string]: number };
}

export default defineFunction<State>({
  name: 'counter',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  outputs: [{ metric: 'count' }],
  timeoutMs: 5_000,
  state: () => ({ n: 0, starts: 0, luck: 0, seen: {} }),
  start(ctx) {
    ctx.state.starts++;
    ctx.state.luck = Math.random();
    ctx.publish('cmd/counter/start', { starts: ctx.state.starts, luck: ctx.state.luck });
  },
  reading(r, ctx) {
    const { state } = ctx;
    state.n++;
    state.luck = (state.luck + Math.random()) % 1;
    state.seen[r.sensor] = (state.seen[r.sensor] ?? 0) + (r.value as number);
    if (state.n % 10 === 0) ctx.emit({ metric: 'count', value: state.n + state.luck });
    if (state.n % 25 === 0) ctx.publish(`cmd/counter/${r.sensor}`, { n: state.n, luck: Math.random() });
    if (state.n % 100 === 0) ctx.log('counted', state.n);
    ctx.alert({ name: 'lucky', active: state.luck > 0.97, value: state.luck, sensor: r.sensor, metric: r.metric });
  },
});
