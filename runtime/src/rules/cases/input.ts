/** What comes to the rule in a table test: series, and what happens to the device. */
import { isDeviceId, isLabel, isName, type Reading, type Value } from '@weir/protocols';
import type { CaseAction } from './case.ts';
import { readOffset, readSeries, readValue } from './notation.ts';
import { type Reader, texts, type WrittenEvent } from './written-case.ts';

export interface InputFrame {
  startAt: number;
  intervalMs: number;
  device: string;
  /** Whose metric it is where a series does not say. */
  sensor: string;
}

interface Input {
  actions: CaseAction[];
  /** Of the last interval. */
  endMs: number;
}

/** @throws {RangeError} */
export function readingsOfSeries(key: string, text: string, frame: InputFrame, line: number): Input {
  const { device, ...series } = readSeriesName(key, frame);
  const { values, slots } = readSeries(text);
  const actions = values.map(({ slot, value, ofMs, quality }): CaseAction => {
    const atMs = slot * frame.intervalMs;
    const reading: Reading = { ...series, value, ts: frame.startAt + (ofMs ?? atMs) };
    if (quality !== undefined) reading.quality = quality;
    return { atMs, line, kind: 'readings', device, readings: [reading] };
  });
  return { actions, endMs: Math.max(0, slots - 1) * frame.intervalMs };
}

export function eventsOf(
  events: string | readonly WrittenEvent[] | undefined,
  frame: InputFrame,
  { check, lineOf, path }: Reader,
): Input {
  const at = [...path, 'events'];
  if (events === undefined) return { actions: [], endMs: 0 };
  if (typeof events === 'string') return check(at, () => wordsOfEvents(events, frame, lineOf(at)));
  const actions = events.flatMap((event, i) => check([...at, i], () => actionsOf(event, frame, lineOf([...at, i]))));
  return { actions, endMs: Math.max(0, ...actions.map(({ atMs }) => atMs)) };
}

/** `_x5 offline _x10 online restart`, one word for each interval. */
function wordsOfEvents(text: string, { intervalMs, device }: InputFrame, line: number): Input {
  const actions: CaseAction[] = [];
  let slot = 0;
  for (const [word] of text.matchAll(/\S+/g)) {
    const missing = /^_(?:x(\d+))?$/.exec(word);
    if (missing !== null) {
      slot += Number(missing[1] ?? 1);
      continue;
    }
    const atMs = slot++ * intervalMs;
    if (word === 'restart') actions.push({ atMs, line, kind: 'restart', downMs: 0 });
    else if (word === 'offline' || word === 'online') {
      actions.push({ atMs, line, kind: 'presence', device, online: word === 'online' });
    } else throw new RangeError(`"${word}" is no event: offline, online, restart, or _ for none`);
  }
  return { actions, endMs: Math.max(0, slot - 1) * intervalMs };
}

function actionsOf(event: WrittenEvent, frame: InputFrame, line: number): CaseAction[] {
  const at = { atMs: readOffset(event.at), line };
  const actions: CaseAction[] = [];
  if (event.tags !== undefined || event.config !== undefined) {
    actions.push({ ...at, kind: 'settings', tags: texts(event.tags), config: (event.config ?? {}) as never });
  }
  for (const [key, written] of Object.entries(event.readings ?? {})) {
    const { device, ...series } = readSeriesName(key, frame);
    const { value, quality } = typeof written === 'object' ? written : { value: written, quality: undefined };
    const ofMs = event.of === undefined ? at.atMs : readOffset(event.of);
    const reading: Reading = { ...series, value: readValue(value as Value), ts: frame.startAt + ofMs };
    if (quality !== undefined) reading.quality = quality;
    actions.push({ ...at, kind: 'readings', device, readings: [reading] });
  }
  if (event.restart !== undefined) {
    const downMs = event.restart === true ? 0 : readOffset(event.restart);
    actions.push({ ...at, kind: 'restart', downMs });
  }
  for (const which of ['offline', 'online'] as const) {
    const who = event[which];
    if (who === undefined) continue;
    const device = who === true ? frame.device : who;
    actions.push({ ...at, kind: 'presence', device, online: which === 'online' });
  }
  if (actions.length === 0) throw new RangeError('what happens? readings, restart, offline, online, tags or config');
  return actions;
}

/** `temperature`, `oven1/temperature`, `gw2/oven1/temperature`, each with a unit behind it or without. */
function readSeriesName(
  key: string,
  frame: InputFrame,
): Pick<Reading, 'sensor' | 'metric' | 'unit'> & { device: string } {
  const [series = '', unit, ...more] = key.trim().split(/\s+/);
  const parts = series.split('/');
  const metric = parts.pop()!;
  const sensor = parts.pop() ?? frame.sensor;
  const device = parts.pop() ?? frame.device;
  const isWhole = parts.length === 0 && more.length === 0 && isName(sensor) && isName(metric) && isDeviceId(device);
  if (!isWhole)
    throw new RangeError(`"${key}" is no series: METRIC, SENSOR/METRIC or DEVICE/SENSOR/METRIC, and a unit`);
  if (unit !== undefined && !isLabel(unit)) throw new RangeError(`"${unit}" is no unit`);
  return { device, sensor, metric, ...(unit !== undefined && { unit }) };
}
