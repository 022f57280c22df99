/** A schedule in wall time: it goes on while nothing is measured and no hub is there. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ n: number; hours: number }>({
  name: 'hourly',
  version: '1.0.0',
  inputs: [{ metric: 'flow' }],
  outputs: [{ metric: 'hours' }, { metric: 'flow_in_hour' }],
  state: () => ({ n: 0, hours: 0 }),
  readings(batch, ctx) {
    ctx.state.n += batch.count;
  },
  schedule: [
    {
      name: 'hour',
      cron: '0 * * * *',
      run(ctx) {
        ctx.state.hours++;
        ctx.emit({ metric: 'hours', value: ctx.state.hours });
        ctx.emit({ metric: 'flow_in_hour', value: ctx.state.n });
        ctx.state.n = 0;
      },
    },
  ],
});
