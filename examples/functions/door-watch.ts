import { defineFunction } from '@weir/runtime/author';

interface State {
  /** The doors that are open: since when, ms, and whether that was told. */
  open: { [sensor: string]: { since: number; told: boolean } };
}

/**
 * Raises an alert when a cold-room door stays open longer than `seconds` (default 30), and tells the local signal
 * lamp to flash. A door that is closed ends both.
 */
export default defineFunction<State, { seconds?: number }>({
  name: 'door-watch',
  version: '1.0.0',
  inputs: [{ metric: 'door_open' }],
  state: () => ({ open: {} }),
  reading({ sensor, value, ts }, ctx) {
    const { open } = ctx.state;
    if (value === true) open[sensor] ??= { since: ts, told: false };
    else if (open[sensor] !== undefined) {
      if (open[sensor].told) {
        ctx.alert({ name: sensor, active: false, sensor, summary: `${sensor} is closed` });
        ctx.publish(`cmd/${sensor}/lamp`, { flash: false });
      }
      delete open[sensor];
    }
  },
  schedule: [
    {
      name: 'look',
      every: '1s',
      run(ctx) {
        const limitMs = (ctx.config.seconds ?? 30) * 1000;
        for (const [sensor, door] of Object.entries(ctx.state.open)) {
          if (door.told || ctx.now - door.since < limitMs) continue;
          door.told = true;
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
