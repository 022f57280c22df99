/** Throws at every seventh value: what it cannot take is kept aside, and stops neither its neighbours nor the stream. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction({
  name: 'fragile',
  version: '1.0.0',
  inputs: [{ metric: 'flow' }],
  outputs: [{ metric: 'flow_taken' }],
  reading(r, ctx) {
    if (typeof r.value === 'number' && r.value % 7 === 0) throw new Error(`cannot take ${r.value}`);
    ctx.emit({ metric: 'flow_taken', value: r.value });
  },
});
