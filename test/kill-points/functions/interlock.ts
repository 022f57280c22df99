/** Hears of alerts between readings: what it has counted by then must be the same. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ readings: number; alerts: number; locked: string[] }>({
  name: 'interlock',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  outputs: [{ metric: 'locked' }],
  timeoutMs: 5_000,
  state: () => ({ readings: 0, alerts: 0, locked: [] }),
  reading(_, ctx) {
    ctx.state.readings++;
  },
  alert(alert, ctx) {
    ctx.state.alerts++;
    const who = `${alert.source.name}/${alert.sensor ?? '-'}`;
    ctx.state.locked = ctx.state.locked.filter((each) => each !== who);
    if (alert.state === 'firing') ctx.state.locked.push(who);
    ctx.emit({ metric: 'locked', value: ctx.state.locked.length });
    ctx.publish('cmd/interlock', { locked: ctx.state.locked, after: ctx.state.readings, episode: alert.episode });
  },
});
