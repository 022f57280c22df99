/** A schedule in wall time: it goes on while nothing is measured and no hub is there. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ hours: number }>({
  name: 'hourly',
  version: '1.0.0',
  outputs: [{ metric: 'hours' }],
  state: () => ({ hours: 0 }),
  schedule: [
    {
      name: 'hour',
      every: '1h',
      run(ctx) {
        ctx.state.hours++;
        ctx.emit({ metric: 'hours', value: ctx.state.hours });
      },
    },
  ],
});
