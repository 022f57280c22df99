import { defineFunction } from '@weir/runtime/author';

interface State {
  /** Of each sensor: the samples of the window that is being filled, and the time of the last one. */
  windows: { [sensor: string]: { samples: number[]; lastTs: number } };
}

interface Config {
  /** Samples a second. Default 500. */
  rateHz?: number;
  /** Where a worn bearing is heard, Hz. Default 90 to 140. */
  lowHz?: number;
  highHz?: number;
  /** RMS within the band over which an alert begins, m/s2; it ends at 80 per cent of it. Default 1.5. */
  limit?: number;
}

/** Samples of a window: a power of two, for the transform. */
const SIZE = 256;
const GRAVITY = 9.80665;

/**
 * Takes acceleration, and emits for each window of 256 samples `vibration_rms` and `vibration_band_rms` (m/s2): the whole,
 * and what of it lies within a band of frequencies. A window with a hole in it would show frequencies that are not there;
 * it is begun anew.
 */
export default defineFunction<State, Config>({
  name: 'vibration-band',
  version: '1.0.0',
  inputs: [{ metric: 'acceleration' }],
  state: () => ({ windows: {} }),
  readings(batch, ctx) {
    const { rateHz = 500, lowHz = 90, highHz = 140, limit = 1.5 } = ctx.config;
    const stepMs = 1000 / rateHz;
    const { index, ts, values, series } = batch;
    for (let i = 0; i < batch.count; i++) {
      const { sensor, unit } = series[index[i]!]!;
      ctx.state.windows[sensor] ??= { samples: [], lastTs: ts[i]! - stepMs };
      const window = ctx.state.windows[sensor]!;
      const apartMs = ts[i]! - window.lastTs;
      if (apartMs <= 0) continue;
      // Times are whole milliseconds: they jitter by one.
      if (Math.abs(apartMs - stepMs) > Math.max(1, stepMs / 2)) window.samples = [];
      window.lastTs = ts[i]!;
      window.samples.push(unit === 'g' ? values[i]! * GRAVITY : values[i]!);
      if (window.samples.length < SIZE) continue;

      const { rms, band } = analyse(window.samples, rateHz, lowHz, highHz);
      window.samples = [];
      const at = { sensor, ts: ts[i]!, unit: 'm/s2' };
      ctx.emit({ ...at, metric: 'vibration_rms', value: round(rms) });
      ctx.emit({ ...at, metric: 'vibration_band_rms', value: round(band) });
      if (band > limit || band < 0.8 * limit) {
        ctx.alert({
          name: sensor,
          active: band > limit,
          severity: 'warning',
          sensor,
          ts: ts[i]!,
          metric: 'vibration_band_rms',
          value: round(band),
          summary: `${sensor} vibrates with ${round(band)} m/s2 between ${lowHz} and ${highHz} Hz, the limit is ${limit}`,
        });
      }
    }
  },
});

/** By Parseval's theorem the squares of the spectrum add up to those of the samples; the taper's loss is made good. */
function analyse(samples: readonly number[], rateHz: number, lowHz: number, highHz: number) {
  const mean = samples.reduce((sum, value) => sum + value, 0) / SIZE;
  const re = new Float64Array(SIZE);
  const im = new Float64Array(SIZE);
  let squares = 0;
  let taperSquares = 0;
  for (let i = 0; i < SIZE; i++) {
    // Hann: without a taper a strong tone would leak into the band from outside.
    const taper = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE);
    const value = samples[i]! - mean;
    squares += value * value;
    taperSquares += taper * taper;
    re[i] = value * taper;
  }
  transform(re, im);
  let bandSquares = 0;
  for (let k = 1; k < SIZE / 2; k++) {
    const hz = (k * rateHz) / SIZE;
    if (hz >= lowHz && hz <= highHz) bandSquares += 2 * (re[k]! ** 2 + im[k]! ** 2);
  }
  return { rms: Math.sqrt(squares / SIZE), band: Math.sqrt(bandSquares / (SIZE * taperSquares)) };
}

/** Fourier transform in place, radix 2 (Cooley and Tukey). */
function transform(re: Float64Array, im: Float64Array): void {
  for (let i = 1, j = 0; i < SIZE; i++) {
    let bit = SIZE >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let length = 2; length <= SIZE; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let start = 0; start < SIZE; start += length) {
      for (let k = 0; k < length / 2; k++) {
        const [cos, sin] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [a, b] = [start + k, start + k + length / 2];
        const [x, y] = [re[b]! * cos - im[b]! * sin, re[b]! * sin + im[b]! * cos];
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a]! += x;
        im[a]! += y;
      }
    }
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
