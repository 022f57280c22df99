/** Tells what its batches are: where they begin and end must not hang on chance. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ batches: number; sizes: number[] }>({
  name: 'batch-mean',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }, { metric: 'pressure' }],
  outputs: [{ metric: 'mean' }],
  timeoutMs: 5_000,
  state: () => ({ batches: 0, sizes: [] }),
  readings(batch, ctx) {
    const { state } = ctx;
    state.batches++;
    state.sizes = [...state.sizes.slice(-20), batch.count];
    let sum = 0;
    for (const value of batch.values) sum += value;
    const [first] = batch.series;
    ctx.emit({ metric: 'mean', sensor: first!.sensor, value: sum / batch.count });
    if (Math.random() < 0.05) ctx.publish('cmd/batch', { batches: state.batches, of: batch.count, sum });
  },
});
