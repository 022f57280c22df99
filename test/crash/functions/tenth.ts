import { defineFunction } from '@weir/runtime/author';

/** Emits every tenth number; in the cloud. */
export default defineFunction({
  name: 'tenth',
  version: '1.0.0',
  inputs: [{ metric: 'n' }],
  reading({ sensor, value, ts }, ctx) {
    if (typeof value === 'number' && value % 10 === 0) ctx.emit({ sensor, metric: 'tenth', value, ts });
  },
});
