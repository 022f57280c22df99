/** Takes what another function emits, with a state for each series. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ slow: number | null; n: number }>({
  name: 'drift',
  version: '1.0.0',
  key: 'series',
  inputs: [{ metric: 'mean' }],
  outputs: [{ metric: 'drift' }],
  timeoutMs: 5_000,
  state: () => ({ slow: null, n: 0 }),
  reading(r, ctx) {
    const value = r.value as number;
    ctx.state.n++;
    ctx.state.slow = ctx.state.slow === null ? value : ctx.state.slow * 0.9 + value * 0.1;
    if (ctx.state.n % 5 === 0) ctx.emit({ metric: 'drift', value: value - ctx.state.slow });
  },
});
