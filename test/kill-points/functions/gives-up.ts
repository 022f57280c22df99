/** From some moment on it always throws: it is quarantined at the tenth step, with an alert still open. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ n: number }>({
  name: 'gives-up',
  version: '1.0.0',
  inputs: [{ metric: 'tired' }],
  outputs: [{ metric: 'vigour' }],
  timeoutMs: 5_000,
  state: () => ({ n: 0 }),
  reading(r, ctx) {
    ctx.state.n++;
    ctx.alert({ name: 'at work', active: true, severity: 'info' });
    if (r.value === true) throw new Error('no more');
    ctx.emit({ metric: 'vigour', value: ctx.state.n });
  },
});
