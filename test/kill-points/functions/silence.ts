/** Timers of each series, that are set again and again, called off, and fire when a series is silent. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ silences: number; rounds: number }>({
  name: 'silence',
  version: '1.0.0',
  key: 'series',
  inputs: [{ metric: 'temperature' }, { metric: 'door' }],
  outputs: [{ metric: 'silences' }],
  timeoutMs: 5_000,
  state: () => ({ silences: 0, rounds: 0 }),
  reading(r, ctx) {
    ctx.alert({ name: 'silent', active: false });
    ctx.after(r.metric === 'door' ? '2s' : '5s', 'silent');
    if (r.value === true) ctx.cancel('echo');
    else ctx.after('1s', 'echo');
  },
  timers: {
    silent(ctx) {
      ctx.state.silences++;
      ctx.state.rounds = 0;
      ctx.alert({ name: 'silent', active: true, summary: `silent the ${ctx.state.silences}. time` });
      ctx.emit({ metric: 'silences', value: ctx.state.silences + Math.random() });
    },
    echo(ctx) {
      if (ctx.state.rounds++ % 7 === 0) ctx.publish('cmd/echo', { at: ctx.now, ...ctx.series });
    },
  },
});
