import { type Context, defineFunction } from '@weir/runtime/author';

interface Tank {
  level: number;
  levelTs: number;
  /** Whether its pump may run, and since when that has been the word. */
  allowed: boolean;
  saidTs: number;
  /** What the pump itself reports. */
  running?: boolean;
}

interface State {
  tanks: { [tank: string]: Tank };
}

interface Config {
  /** Per cent: the pump is stopped at `high`, and allowed again at `low`. Default 90 and 70. */
  high?: number;
  low?: number;
  /** Without a level for so long the pump is stopped: nobody knows how full it is. Default 30. */
  silenceSeconds?: number;
  /** How long a pump has to obey. Default 5. */
  obeySeconds?: number;
}

/**
 * Keeps a tank from running over: stops its pump by a retained command on the gateway's own broker, hub or no hub. A level
 * that is not heard of any more counts as full. A pump that does not obey is told again, and raises an alert.
 */
export default defineFunction<State, Config>({
  name: 'tank-interlock',
  version: '1.0.0',
  inputs: [
    { sensor: 'tank*', metric: 'level' },
    { sensor: 'tank*', metric: 'pump_running' },
  ],
  state: () => ({ tanks: {} }),
  reading({ sensor, metric, value, ts, quality }, ctx) {
    const { high = 90, low = 70 } = ctx.config;
    ctx.state.tanks[sensor] ??= { level: 100, levelTs: 0, allowed: false, saidTs: 0 };
    const tank = ctx.state.tanks[sensor]!;
    if (metric === 'pump_running') {
      tank.running = value === true;
      look(sensor, tank, ctx);
      return;
    }
    if (typeof value !== 'number' || quality !== undefined || ts < tank.levelTs) return;
    tank.level = value;
    tank.levelTs = ts;
    if (tank.saidTs === 0) say(sensor, tank, value < high, ctx);
    else if (tank.allowed && value >= high) say(sensor, tank, false, ctx);
    else if (!tank.allowed && value <= low) say(sensor, tank, true, ctx);
    ctx.alert({ name: `${sensor}.silent`, active: false, sensor, summary: `the level of ${sensor} is known again` });
  },
  schedule: [
    {
      name: 'look',
      every: '1s',
      run(ctx) {
        for (const [sensor, tank] of Object.entries(ctx.state.tanks)) look(sensor, tank, ctx);
      },
    },
  ],
});

function look(sensor: string, tank: Tank, ctx: Context<State, Config>): void {
  const { silenceSeconds = 30, obeySeconds = 5 } = ctx.config;
  if (ctx.now - tank.levelTs > silenceSeconds * 1000) {
    if (tank.allowed) say(sensor, tank, false, ctx);
    ctx.alert({
      name: `${sensor}.silent`,
      active: true,
      severity: 'critical',
      sensor,
      metric: 'level',
      summary: `no level of ${sensor} for more than ${silenceSeconds} s: its pump is stopped`,
    });
  }
  const disobeys = !tank.allowed && tank.running === true;
  if (disobeys && ctx.now - tank.saidTs < obeySeconds * 1000) return;
  if (disobeys) say(sensor, tank, false, ctx);
  ctx.alert({
    name: `${sensor}.disobeys`,
    active: disobeys,
    severity: 'critical',
    sensor,
    metric: 'pump_running',
    summary: disobeys ? `the pump of ${sensor} runs although it was stopped` : `the pump of ${sensor} stands`,
  });
}

function say(sensor: string, tank: Tank, allowed: boolean, ctx: Context<State, Config>): void {
  tank.allowed = allowed;
  tank.saidTs = ctx.now;
  // Retained: a pump that comes back after a power cut hears it at once.
  ctx.publish(`cmd/${sensor}/pump`, { allowed, level: tank.level }, { retain: true });
}
