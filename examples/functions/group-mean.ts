import { defineFunction } from '@weir/runtime/author';

interface State {
  /** The newest temperature of each sensor, `<device>/<sensor>`. */
  newest: { [sensor: string]: number };
}

/**
 * The mean temperature over all sensors of all devices of the group, when it runs in the hub; over those of the device,
 * when it runs there. A sensor that stands apart from the mean by more than `apart` (default 3) raises an alert. What a
 * device measured last counts until it goes offline, which is an alert until it is back.
 */
export default defineFunction<State, { apart?: number }>({
  name: 'group-mean',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  outputs: [{ metric: 'temperature_mean' }],
  // One state for all devices together.
  key: 'function',
  state: () => ({ newest: {} }),
  reading({ sensor, value }, ctx) {
    if (typeof value !== 'number') return;
    const { newest } = ctx.state;
    const name = `${ctx.device}/${sensor}`;
    newest[name] = value;
    const values = Object.values(newest);
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
    ctx.emit({ sensor: 'group', metric: 'temperature_mean', value: Math.round(mean * 100) / 100, unit: 'Cel' });
    const isApart = values.length > 2 && Math.abs(value - mean) > (ctx.config.apart ?? 3);
    const summary = `${name} ${isApart ? 'stands apart from' : 'is with'} the others: ${value}, their mean ${mean.toFixed(1)}`;
    ctx.alert({ name, active: isApart, value, summary });
  },
  offline(ctx) {
    for (const name of Object.keys(ctx.state.newest)) {
      if (!name.startsWith(`${ctx.device}/`)) continue;
      delete ctx.state.newest[name];
      ctx.alert({ name, active: false, summary: `${name} measures no more` });
    }
    ctx.alert({ name: ctx.device, active: true, summary: `${ctx.device} is offline` });
  },
  online(ctx) {
    ctx.alert({ name: ctx.device, active: false, summary: `${ctx.device} is back` });
  },
});
