import { defineFunction } from '@weir/runtime/author';

interface State {
  silent: boolean;
}

/**
 * Raises an alert for each series that has been silent for longer than `limit` (default 5 minutes), and ends it with
 * the next reading. A sensor that was never heard of is nobody's business.
 */
export default defineFunction<State, { limit?: string }>({
  name: 'silence',
  version: '1.0.0',
  // A state for each series: its own timer, its own alert.
  key: 'series',
  state: () => ({ silent: false }),
  reading(_reading, ctx) {
    // Set again at every reading, it begins again: it fires only when none has come for so long.
    ctx.after(ctx.config.limit ?? '5m', 'silent');
    ctx.state.silent = false;
    ctx.alert({ name: 'silent', active: false, summary: `${ctx.series!.sensor} is heard again` });
  },
  timers: {
    silent(ctx) {
      ctx.state.silent = true;
      const { sensor, metric } = ctx.series!;
      ctx.alert({
        name: 'silent',
        active: true,
        summary: `no ${metric} from ${sensor} for ${ctx.config.limit ?? '5m'}`,
      });
    },
  },
});
