import { defineFunction } from '@weir/runtime/author';

interface State {
  /** By filter: what is known of its order. */
  orders: { [sensor: string]: { number?: number } };
}

interface Config {
  /** Pressure lost at the filter over which it is to be changed, and under which it has been. Default 250 and 100. */
  changePa?: number;
  changedPa?: number;
}

/**
 * Orders the change of a filter once, when it lets too little through, from the system in which maintenance plans its
 * work. The order's number comes back, and is a reading; an order that cannot be placed is an alert.
 */
export default defineFunction<State, Config>({
  name: 'work-order',
  version: '1.0.0',
  inputs: [{ metric: 'pressure_loss' }],
  requests: ['https://maintenance.example.com/orders/*'],
  state: () => ({ orders: {} }),
  reading({ sensor, value, ts }, ctx) {
    const { changePa = 250, changedPa = 100 } = ctx.config;
    if (typeof value !== 'number') return;
    const order = ctx.state.orders[sensor];
    if (order === undefined && value > changePa) {
      ctx.state.orders[sensor] = {};
      ctx.request({
        name: sensor,
        url: 'https://maintenance.example.com/orders/new',
        body: { device: ctx.device, filter: sensor, pressureLossPa: value, at: new Date(ts).toISOString() },
        retries: 10,
      });
    } else if (order !== undefined && value < changedPa) {
      delete ctx.state.orders[sensor];
    }
  },
  response({ name: sensor, status, body, error }, ctx) {
    const placed = status === 201;
    const reason = error ?? `HTTP ${status}`;
    ctx.alert({ name: sensor, active: !placed, sensor, summary: `no order for the filter ${sensor}: ${reason}` });
    if (!placed) {
      // The next reading tries again.
      delete ctx.state.orders[sensor];
      return;
    }
    const { number } = JSON.parse(body ?? '') as { number: number };
    ctx.state.orders[sensor] = { number };
    ctx.emit({ sensor, metric: 'work_order', value: number });
  },
});
