import { defineFunction } from '@weir/runtime/author';

interface Sample {
  ts: number;
  /** W */
  power: number;
}

interface Meter {
  /** Samples not integrated yet, by time: a late one may still come between them. */
  waiting: Sample[];
  /** The last sample that was integrated. */
  last?: Sample;
  /** J, taken from the grid and given to it. */
  imported: number;
  exported: number;
  /** Time without samples, which is not in the energy, s. */
  gapSeconds: number;
  tooLate: number;
}

interface State {
  meters: { [sensor: string]: Meter };
}

interface Config {
  /** Samples farther apart are a gap, not a line. Default 60. */
  gapSeconds?: number;
  /** How long a late sample is waited for. Default 10. */
  lateSeconds?: number;
  /** How often the registers are told. Default 15. */
  everyMinutes?: number;
}

const WATTS: { [unit: string]: number } = { W: 1, kW: 1_000, MW: 1_000_000 };
const JOULES_PER_KWH = 3_600_000;
const WAITING_MAX = 500;

/**
 * Integrates power into energy by the trapezoidal rule, and tells the registers `energy_import` and `energy_export` (kWh) at
 * every quarter of an hour, to the millisecond. Negative power is fed in. Over a gap nothing is integrated; its length is
 * told as `energy_gap` (s), so that nobody takes the sum for more than it is.
 */
export default defineFunction<State, Config>({
  name: 'energy-meter',
  version: '1.0.0',
  inputs: [{ metric: 'power' }],
  state: () => ({ meters: {} }),
  reading(reading, ctx) {
    const factor = WATTS[reading.unit ?? 'W'];
    if (typeof reading.value !== 'number' || reading.quality !== undefined) return;
    if (factor === undefined) throw new Error(`${reading.sensor}: power in ${reading.unit}, known are W, kW and MW`);
    const { gapSeconds = 60, lateSeconds = 10, everyMinutes = 15 } = ctx.config;
    ctx.state.meters[reading.sensor] ??= { waiting: [], imported: 0, exported: 0, gapSeconds: 0, tooLate: 0 };
    const meter = ctx.state.meters[reading.sensor]!;
    if (!insert(meter, { ts: reading.ts, power: reading.value * factor })) return;

    const tell = (ts: number) => {
      const register = (metric: string, value: number, unit: string) =>
        ctx.emit({ sensor: reading.sensor, metric, value, ts, unit });
      register('energy_import', round(meter.imported / JOULES_PER_KWH), 'kWh');
      register('energy_export', round(meter.exported / JOULES_PER_KWH), 'kWh');
      register('energy_gap', meter.gapSeconds, 's');
    };
    const newest = meter.waiting.at(-1)!.ts;
    while (meter.waiting.length > 0 && (meter.waiting[0]!.ts <= newest - lateSeconds * 1000 || isFull(meter))) {
      integrate(meter, meter.waiting.shift()!, gapSeconds * 1000, everyMinutes * 60_000, tell);
    }
  },
});

function isFull({ waiting }: Meter): boolean {
  return waiting.length > WAITING_MAX;
}

/** @returns whether it was in time */
function insert(meter: Meter, sample: Sample): boolean {
  if (meter.last !== undefined && sample.ts <= meter.last.ts) {
    meter.tooLate++;
    return false;
  }
  let at = meter.waiting.length;
  while (at > 0 && meter.waiting[at - 1]!.ts > sample.ts) at--;
  // A sample that is sent twice counts once.
  if (meter.waiting[at - 1]?.ts === sample.ts) meter.waiting[at - 1] = sample;
  else meter.waiting.splice(at, 0, sample);
  return true;
}

function integrate(meter: Meter, to: Sample, gapMs: number, everyMs: number, tell: (ts: number) => void): void {
  const from = meter.last;
  meter.last = to;
  if (from === undefined) return;
  if (to.ts - from.ts > gapMs) {
    meter.gapSeconds += (to.ts - from.ts) / 1000;
    return;
  }
  // Cut where a register is told, so that each has what belongs to it.
  let left = from;
  for (let cut = (Math.floor(from.ts / everyMs) + 1) * everyMs; cut <= to.ts; cut += everyMs) {
    const right = { ts: cut, power: from.power + ((to.power - from.power) * (cut - from.ts)) / (to.ts - from.ts) };
    add(meter, left, right);
    tell(cut);
    left = right;
  }
  add(meter, left, to);
}

/** A line that crosses zero is import on one side and export on the other. */
function add(meter: Meter, from: Sample, to: Sample): void {
  const seconds = (to.ts - from.ts) / 1000;
  if (from.power * to.power >= 0) {
    book(meter, ((from.power + to.power) / 2) * seconds);
    return;
  }
  const part = from.power / (from.power - to.power);
  book(meter, (from.power / 2) * seconds * part);
  book(meter, (to.power / 2) * seconds * (1 - part));
}

function book(meter: Meter, joules: number): void {
  if (joules >= 0) meter.imported += joules;
  else meter.exported -= joules;
}

function round(kWh: number): number {
  return Math.round(kWh * 1e6) / 1e6;
}
