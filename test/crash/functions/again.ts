import { defineFunction } from '@weir/runtime/author';

/** Emits each number once more: whatever is killed, as often as it is in the store itself. */
export default defineFunction({
  name: 'again',
  version: '1.0.0',
  inputs: [{ metric: 'n' }],
  state: () => ({ taken: 0 }),
  reading({ sensor, value, ts }, ctx) {
    ctx.state.taken++;
    ctx.emit({ sensor, metric: 'again', value, ts });
  },
});
