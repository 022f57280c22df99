import { defineFunction } from '@weir/runtime/author';
import runningMean from './running-mean.ts';

/** As running-mean.ts, called again and again over the same batch: what is left of a step is the handler. */
export default defineFunction<{ count: number; series: { [name: string]: { mean: number; max: number } } }>({
  name: 'running-mean-repeated',
  version: '1.0.0',
  state: () => ({ count: 0, series: {} }),
  readings(batch, ctx) {
    const { calls } = ctx.config as { calls: number };
    for (let i = 0; i < calls; i++) runningMean.readings!(batch, ctx);
  },
});
