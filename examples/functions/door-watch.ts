import { defineFunction } from '@weir/runtime/author';

interface State {
  /** Since when each door has been open, ms. */
  openSince: { [sensor: string]: number };
}

/**
 * Raises an alert when a cold-room door stays open longer than `seconds` (default 30), and tells the local signal
 * lamp to flash. A door that is closed ends both.
 */
export default defineFunction<State, { seconds?: number }>({
  name: 'door-watch',
  version: '1.0.0',
  inputs: [{ metric: 'door_open' }],
  state: () => ({ openSince: {} }),
  reading(reading, ctx) {
    const { openSince } = ctx.state;
    if (reading.value === true) openSince[reading.sensor] ??= reading.ts;
    else if (openSince[reading.sensor] !== undefined) {
      delete openSince[reading.sensor];
      ctx.alert({
        name: reading.sensor,
        active: false,
        sensor: reading.sensor,
        summary: `${reading.sensor} is closed`,
      });
      ctx.publish(`cmd/${reading.sensor}/lamp`, { flash: false });
    }
  },
  schedule: [
    {
      name: 'look',
      every: '1s',
      run(ctx) {
        const limitMs = (ctx.config.seconds ?? 30) * 1000;
        for (const [sensor, since] of Object.entries(ctx.state.openSince)) {
          if (ctx.now - since < limitMs) continue;
          ctx.alert({
            name: sensor,
            active: true,
            severity: 'warning',
            sensor,
            metric: 'door_open',
            summary: `the door of ${sensor} has been open for more than ${limitMs / 1000} s`,
          });
          ctx.publish(`cmd/${sensor}/lamp`, { flash: true });
        }
      },
    },
  ],
});
