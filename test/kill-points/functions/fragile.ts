/** Throws on some readings: what it could not take becomes a dead letter, the rest counts. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ sum: number; n: number }>({
  name: 'fragile',
  version: '1.0.0',
  inputs: [{ metric: 'pressure' }],
  outputs: [{ metric: 'taken' }],
  timeoutMs: 5_000,
  state: () => ({ sum: 0, n: 0 }),
  reading(r, ctx) {
    ctx.state.n++;
    ctx.state.sum += r.value as number;
    if (Math.round((r.value as number) * 10) % 29 === 0)
      throw new Error(`cannot take ${r.value} as number ${ctx.state.n}`);
    if (ctx.state.n % 20 === 0) ctx.emit({ metric: 'taken', value: ctx.state.sum });
  },
});
