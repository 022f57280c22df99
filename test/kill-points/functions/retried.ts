/** Whole batches of one series that throw, after a second attempt. */
import { defineFunction, retry } from '@weir/runtime/author';

export default defineFunction<{ batches: number }>({
  name: 'retried',
  version: '1.0.0',
  key: 'series',
  inputs: [{ metric: 'mode' }],
  onError: retry(1, '1ms'),
  timeoutMs: 5_000,
  state: () => ({ batches: 0 }),
  readings(batch, ctx) {
    ctx.state.batches++;
    if (batch.at(0).value === 'service') throw new Error(`in service, batch ${ctx.state.batches}`);
    if (ctx.state.batches % 10 === 0) ctx.publish('cmd/mode', { mode: batch.at(batch.count - 1).value, ...ctx.series });
  },
});
