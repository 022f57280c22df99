/** What the sensors of a run say: the same for the same seed, byte for byte. */
import type { Reading } from '@weir/protocols';

/** Readings that are journaled together, and when they came. */
export interface Group {
  receivedAt: number;
  readings: Reading[];
}

/** In the past, so that whatever is due at the end is due at once. */
const T0 = 1_750_000_000_000;
const GROUP_MS = 400;
const READINGS_MAX = 12;
const SENSORS = ['press1', 'press2', 'oven1', 'oven2', 'pump1', '7'];
const MODES = ['run', 'idle', 'service'];
/** How late a reading may be; beyond the last ones of its series, so that it finds them there already. */
const LATE_MS = 6_000;

/** Numbers from 0 to 1. mulberry32. */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function groupsOf(seed: number, count: number): Group[] {
  const random = chance(seed);
  return Array.from({ length: count }, (_, at) => {
    const receivedAt = T0 + at * GROUP_MS;
    const size = 1 + Math.floor(random() * READINGS_MAX);
    return { receivedAt, readings: Array.from({ length: size }, () => readingAt(at / count, receivedAt, random)) };
  });
}

/** @param progress 0 at the beginning of the run, 1 at its end */
function readingAt(progress: number, receivedAt: number, random: () => number): Reading {
  const late = random() < 0.04 ? random() * LATE_MS : 0;
  const ts = Math.round(receivedAt - random() * GROUP_MS - late);
  const sensor = SENSORS[Math.floor(random() ** 2 * SENSORS.length)]!;
  const kind = random();
  if (kind < 0.45) {
    const swing = 20 * Math.sin(ts / 7_000 + sensor.length);
    return { sensor, metric: 'temperature', value: round(65 + swing + 8 * random()), ts, unit: 'Cel' };
  }
  if (kind < 0.75) return { sensor, metric: 'pressure', value: round(4 + 6 * random()), ts };
  if (kind < 0.87) return { sensor, metric: 'door', value: random() < 0.3, ts };
  if (kind < 0.97) return { sensor, metric: 'mode', value: MODES[Math.floor(random() ** 2 * MODES.length)]!, ts };
  return { sensor, metric: 'tired', value: progress > 0.4, ts };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
