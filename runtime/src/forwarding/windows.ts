/**
 * What of a series is told by windows of event time, aligned to the epoch. Pure but for the state it is given.
 *
 *     event time   |----- window -----|----- window -----|
 *     readings       .  .    .  . .  :  .   .
 *     closed                          '-late-> here
 *
 * A window is over when event time, as it would stand had the sensor gone on, has passed its end by `late`. So a sensor
 * that falls silent keeps none open, and one whose clock is behind loses nothing by it. What comes later than that opens
 * its window once more, for `late` of arrival time.
 */
import type { ForwardingMode, Reading } from '@weir/protocols';

export type WindowMode = Extract<ForwardingMode, { kind: 'windows' }>;

/** `opened`: arrival of its first reading, ms. */
export type OpenWindow = [
  start: number,
  opened: number,
  count: number,
  sum: number,
  min: number,
  max: number,
  unit: string | null,
  quality: string | null,
];

export interface WindowState {
  /** Newest event time, when it arrived, and how far it lay behind that; ms. */
  latest?: number;
  latestAt?: number;
  lagMs?: number;
  windows?: OpenWindow[];
}

/** Of one series: readings of so many windows at once are of a backlog, whose oldest is complete. */
const OPEN_MAX = 8;
/** An arrival so long after now was stamped by a clock that has been set back since. */
const SET_BACK_MS = 60_000;

/** @returns windows that are closed by it */
export function addToWindow(
  mode: WindowMode,
  state: WindowState,
  { ts, value: raw, unit, quality }: { ts: number; value: number; unit: string | null; quality: string | null },
  receivedAt: number,
): OpenWindow[] {
  keepTime(mode, state, ts, receivedAt);
  const value = raw === 0 ? 0 : raw;
  const start = Math.floor(ts / mode.everyMs) * mode.everyMs;
  state.windows ??= [];
  const { windows } = state;
  const open = windows.find((each) => each[0] === start && each[6] === unit && each[7] === quality);
  if (open !== undefined) {
    open[2]++;
    open[3] = finite(open[3] + value);
    open[4] = Math.min(open[4], value);
    open[5] = Math.max(open[5], value);
    return [];
  }
  windows.push([start, receivedAt, 1, value, value, value, unit, quality]);
  if (windows.length <= OPEN_MAX) return [];
  windows.sort(byStart);
  return windows.splice(0, windows.length - OPEN_MAX);
}

/** @returns windows that are closed, oldest first @param until up to when all that arrived was taken in, ms */
export function closeWindows(mode: WindowMode, state: WindowState, until: number): OpenWindow[] {
  const { windows = [] } = state;
  const isOver = (each: OpenWindow) => dueAt(mode, state, each) <= until || each[1] > until + SET_BACK_MS;
  if (!windows.some(isOver)) return [];
  state.windows = windows.filter((each) => !isOver(each));
  return windows.filter(isOver).sort(byStart);
}

/** When the next window is over, in arrival time; and an arrival before which one is, for the clock was set back. */
export function windowTimes(mode: WindowMode, state: WindowState): { due: number; setBack: number } {
  let due = Number.POSITIVE_INFINITY;
  let opened = 0;
  for (const window of state.windows ?? []) {
    due = Math.min(due, dueAt(mode, state, window));
    opened = Math.max(opened, window[1]);
  }
  return { due, setBack: opened - SET_BACK_MS };
}

/** What is told of a window. */
export function readingsOfWindow(
  { everyMs, values }: Pick<WindowMode, 'everyMs' | 'values'>,
  { sensor, metric }: { sensor: string; metric: string },
  [start, , count, sum, min, max, unit, quality]: OpenWindow,
): Reading[] {
  // Rounding may carry a mean past what it is the mean of.
  const of = { mean: Math.min(Math.max(sum / count, min), max), min, max, count };
  return values.map((value) => {
    const reading: Reading = { sensor, metric: `${metric}.${value}`, value: of[value], ts: start + everyMs };
    if (unit !== null && value !== 'count') reading.unit = unit;
    if (quality !== null) reading.quality = quality;
    return reading;
  });
}

/** Where nothing newer came for a whole window, the sensor's clock was set back: it counts from there. */
function keepTime({ everyMs, lateMs }: WindowMode, state: WindowState, ts: number, receivedAt: number): void {
  const { latest, latestAt } = state;
  const isNew = latest === undefined || latestAt === undefined || ts >= latest;
  if (!isNew && receivedAt >= latestAt && receivedAt - latestAt <= everyMs + lateMs) return;
  state.latest = ts;
  state.latestAt = receivedAt;
  state.lagMs = Math.max(0, receivedAt - ts);
}

function dueAt({ everyMs, lateMs }: WindowMode, { lagMs = 0 }: WindowState, [start, opened]: OpenWindow): number {
  return Math.max(start + everyMs + lagMs, opened) + lateMs;
}

function finite(sum: number): number {
  return Math.min(Math.max(sum, -Number.MAX_VALUE), Number.MAX_VALUE);
}

function byStart(a: OpenWindow, b: OpenWindow): number {
  return a[0] - b[0];
}
