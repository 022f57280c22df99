/** Counts what comes of each series, and says each value again: from what arrives anybody can see whether a step was lost or done twice. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ n: number }>({
  name: 'tally',
  version: '1.0.0',
  inputs: [{ metric: 'flow' }],
  outputs: [{ metric: 'flow_tally' }, { metric: 'flow_echo' }],
  key: 'series',
  state: () => ({ n: 0 }),
  reading(r, ctx) {
    ctx.state.n++;
    ctx.emit({ metric: 'flow_tally', value: ctx.state.n });
    ctx.emit({ metric: 'flow_echo', value: r.value });
  },
});
