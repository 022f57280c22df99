import { defineFunction } from '@weir/runtime/author';

interface Pump {
  running: boolean;
  lastTs: number;
  /** Since the counter was made, and since the last service, ms. */
  totalMs: number;
  sinceServiceMs: number;
  starts: number;
}

interface State {
  pumps: { [sensor: string]: Pump };
}

interface Config {
  /** Hours of running after which service is due. Default 2000. */
  serviceHours?: number;
  /** A pump that was not heard of for longer is not counted as running in between. Default 120. */
  silenceSeconds?: number;
}

const HOUR_MS = 3_600_000;

/**
 * Counts hours and starts of each pump from its reports `running`, and says when service is due; a reading `serviced` = true
 * begins anew. The count is state: it outlives restarts, and power cuts up to the last report.
 */
export default defineFunction<State, Config>({
  name: 'pump-hours',
  version: '1.0.0',
  inputs: [{ metric: 'running' }, { metric: 'serviced' }],
  state: () => ({ pumps: {} }),
  reading({ sensor, metric, value, ts }, ctx) {
    const { serviceHours = 2000, silenceSeconds = 120 } = ctx.config;
    ctx.state.pumps[sensor] ??= { running: false, lastTs: ts, totalMs: 0, sinceServiceMs: 0, starts: 0 };
    const pump = ctx.state.pumps[sensor]!;
    if (metric === 'serviced') {
      if (value === true) pump.sinceServiceMs = 0;
    } else {
      // A late report is about time that is counted already.
      if (ts < pump.lastTs) return;
      const ranMs = pump.running && ts - pump.lastTs <= silenceSeconds * 1000 ? ts - pump.lastTs : 0;
      pump.totalMs += ranMs;
      pump.sinceServiceMs += ranMs;
      pump.lastTs = ts;
      // Some report 0 and 1.
      const running = value === true || value === 1;
      if (running && !pump.running) pump.starts++;
      pump.running = running;
    }
    const hours = Math.round((pump.sinceServiceMs / HOUR_MS) * 100) / 100;
    ctx.alert({
      name: sensor,
      active: pump.sinceServiceMs >= serviceHours * HOUR_MS,
      severity: 'info',
      sensor,
      metric: 'run_hours',
      value: hours,
      summary: `${sensor} has run ${hours} h since its last service, due after ${serviceHours}`,
    });
  },
  schedule: [
    {
      name: 'tell',
      every: '10m',
      run(ctx) {
        for (const [sensor, { totalMs, starts }] of Object.entries(ctx.state.pumps)) {
          ctx.emit({ sensor, metric: 'run_hours', value: Math.round((totalMs / HOUR_MS) * 1e4) / 1e4, unit: 'h' });
          ctx.emit({ sensor, metric: 'starts', value: starts });
        }
      },
    },
  ],
});
