/** Schedules in event time, both kinds, between the readings of batches. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ sum: number; n: number; quarters: number }>({
  name: 'minutes',
  version: '1.0.0',
  inputs: [{ metric: 'pressure' }],
  outputs: [{ metric: 'pressure_sum' }],
  timeoutMs: 5_000,
  state: () => ({ sum: 0, n: 0, quarters: 0 }),
  readings(batch, ctx) {
    for (const value of batch.values) ctx.state.sum += value;
    ctx.state.n += batch.count;
  },
  schedule: [
    {
      name: 'ten',
      every: '10s',
      time: 'event',
      run(ctx) {
        ctx.emit({ metric: 'pressure_sum', value: ctx.state.sum });
        ctx.state.sum = 0;
      },
    },
    {
      name: 'quarter',
      cron: '*/15 * * * * *',
      time: 'event',
      run(ctx) {
        ctx.state.quarters++;
        ctx.log('a quarter', ctx.state.quarters, 'with', ctx.state.n);
      },
    },
  ],
});
