import { defineFunction } from '@weir/runtime/author';

interface State {
  /** The last values of each sensor, oldest first. */
  windows: { [sensor: string]: number[] };
}

/** Smooths every temperature over its last `window` readings (default 10) and emits `temperature_avg`. */
export default defineFunction<State, { window?: number }>({
  name: 'moving-average',
  version: '1.0.0',
  inputs: [{ metric: 'temperature' }],
  state: () => ({ windows: {} }),
  reading(reading, ctx) {
    if (typeof reading.value !== 'number') return;
    const size = ctx.config.window ?? 10;
    let window = ctx.state.windows[reading.sensor];
    if (window === undefined) {
      window = [];
      ctx.state.windows[reading.sensor] = window;
    }
    window.push(reading.value);
    while (window.length > size) window.shift();
    const sum = window.reduce((total, value) => total + value, 0);
    ctx.emit({
      metric: 'temperature_avg',
      value: Math.round((sum / window.length) * 100) / 100,
      ...(reading.unit === undefined ? {} : { unit: reading.unit }),
    });
  },
});
