/** What must hold of a device to which something happened that happens once: see docs/operations/buffering.md. */
import type { HistoryReading } from '@weir/cloud';
import { BAND, WINDOW_MS } from './bundles.ts';
import type { Device } from './device.ts';
import type { Sent } from './ledger.ts';
import { isLeftBehind, isOfCopy, runOf } from './old-image.ts';
import type { World } from './world.ts';

export type Violate = (text: string) => void;
/** Stored readings by number, of each `<lane>/<epoch>`. */
export type Numbers = ReadonlyMap<string, ReadonlyMap<number, HistoryReading>>;

interface Place {
  lane: string;
  epoch: string;
  seq: number;
}

const FORWARDED = new Set(['flow', 'temperature', 'vibration']);
const OF_WINDOW = /\.(min|max|count)$/;
/** Of one message, at most. */
const MESSAGE_READINGS_MAX = 40;

/** What a policy makes of its metrics is checked by itself. */
export function isForwarded({ options }: World, metric: string): boolean {
  return FORWARDED.has(metric) && options.deployments.some(({ name }) => name === 'thin');
}

export function isOfWindow(metric: string): boolean {
  return OF_WINDOW.test(metric);
}

/** Numbered and stored, on the way that a device went on, and on that which it left when its disk was put back. */
export function countStored({ putBack }: Device, numbers: Numbers): { kept: number; leftBehind: number } {
  const counts = { kept: 0, leftBehind: 0 };
  for (const [key, of] of numbers) {
    const [lane, epoch] = key.split('/') as [string, string];
    if (lane !== 'live' && lane !== 'backfill') continue;
    for (const seq of of.keys()) {
      if (putBack !== undefined && isLeftBehind(putBack, lane, epoch, seq)) counts.leftBehind++;
      else counts.kept++;
    }
  }
  return counts;
}

/** Of what the way that was left has numbered, the hub may know that it is missing; the device knows nothing of it. */
export function lostWithTheDisk({ putBack }: Device, leftBehind: number): number {
  if (putBack === undefined) return 0;
  let numbered = 0;
  for (const lane of ['live', 'backfill']) {
    numbered += Math.max(0, (putBack.replaced.next.get(lane) ?? 0) - (putBack.copied.next.get(lane) ?? 0));
  }
  return numbered - leftBehind;
}

/**
 * Whether limits thinned out what a device went on with that was put back: what the other way had thinned out, too, and
 * sent, is stored under numbers of both, and under one number the hub may have either. See docs/decisions/0047.
 */
export function hasOwnNumbers({ putBack, dropped }: Device, sent?: Sent): boolean {
  if (putBack === undefined || dropped === 0) return false;
  return sent === undefined || sent.at <= putBack.copiedAt;
}

/**
 * Whether the way that was left sent, under a number that the copy has given to another, what it had only since. It thinned
 * out what was not sent, and what stayed was numbered anew from there.
 */
export function isUnderNumberOfCopy(device: Device, { lane, epoch, seq }: Place, sent?: Sent): boolean {
  if (!hasOwnNumbers(device) || !isOfCopy(device.putBack!, lane, epoch, seq)) return false;
  return sent === undefined || sent.at > device.putBack!.copiedAt;
}

/** It is noticed that a device was put back as soon as one number comes twice, and nothing else is taken for it. */
export async function checkNoticed(
  { hub }: World,
  { id, putBack, salvaged }: Device,
  numbers: Numbers,
  violate: Violate,
): Promise<void> {
  const { restored } = await hub.operators!.gaps.summary(id);
  if (putBack === undefined) {
    // A spool that was begun anew, or the accounts of which were lost, may look the same.
    if (restored.count > 0 && !salvaged.some(({ uncounted }) => uncounted)) {
      violate(`${id}: the hub takes it for put back to an old image, and it was not`);
    }
    return;
  }
  const behind = new Set<string>();
  const after = new Set<string>();
  for (const [key, of] of numbers) {
    const [lane, epoch] = key.split('/') as [string, string];
    for (const seq of of.keys()) {
      if (isLeftBehind(putBack, lane, epoch, seq)) behind.add(`${lane}/${seq}`);
      else if (!putBack.runs.has(runOf(epoch))) after.add(`${lane}/${seq}`);
    }
  }
  const twice = [...after].filter((number) => behind.has(number));
  if (twice.length > 0 && restored.count === 0) {
    violate(`${id}: was put back to an old image, ${twice.length} numbers came twice, and the hub has not noticed`);
  }
}

/** Readings that had no number when a damaged database was put aside: told by the group, or by the reading. */
export function lostUnnumbered({ plan, salvaged }: Device, refused: Readonly<Record<string, number>>): number {
  const groups = salvaged.reduce((sum, { lostGroups }) => sum + lostGroups, 0);
  return groups * (plan.config.intake.groupReadingsMax + MESSAGE_READINGS_MAX) + (refused['journal-damaged'] ?? 0);
}

/** Whether the accounts themselves were damaged: of what was acknowledged before, more may be lost than is told. */
export function isUncounted({ salvaged }: Device, sent?: Sent): boolean {
  return salvaged.some(({ uncounted, at }) => uncounted && (sent === undefined || sent.acknowledgedAt! <= at));
}

/** What a policy sends is what it says, and what it keeps back is covered by that. */
export function checkForwarding(
  world: World,
  device: Device,
  history: readonly HistoryReading[],
  violate: Violate,
): void {
  if (!isForwarded(world, 'flow')) return;
  for (const { sensor, metric, value } of history) {
    if (metric !== 'vibration' && metric !== 'temperature') continue;
    // Without the policy all is forwarded.
    const sent = world.ledger.find({ device: device.id, sensor, metric, value: value as number });
    if (device.brokenUntil !== undefined && sent !== undefined && sent.at <= device.brokenUntil) continue;
    violate(`${device.id}/${sensor}: ${metric} is stored, which the policy keeps back`);
  }
  if (device.dropped > 0 || device.mayForget) return;
  for (const { name, kind } of device.plan.sensors) {
    const acknowledged = [...world.ledger.all()].filter(
      (sent) => sent.device === device.id && sent.sensor === name && sent.acknowledgedAt !== undefined,
    );
    const of = (metric: string) => history.filter((each) => each.sensor === name && each.metric === metric);
    const say: Violate = (text) => violate(`${device.id}/${name}: ${text}`);
    if (kind === 'number') checkBand(device, acknowledged, of('flow'), say);
    if (kind === 'stamped' && device.plan.clock === 'right') {
      const windows = { min: of('temperature.min'), max: of('temperature.max'), count: of('temperature.count') };
      checkWindows(acknowledged, windows, say);
    }
  }
}

function checkBand(
  { plan }: Device,
  acknowledged: readonly Sent[],
  flow: readonly HistoryReading[],
  violate: Violate,
): void {
  const stored = flow.map(({ value }) => value as number).sort((a, b) => a - b);
  for (const { value } of acknowledged) {
    const last = stored.findLast((each) => each <= value);
    if (last === undefined || value - last > BAND) {
      violate(`flow ${value} was kept back, and the last that is stored before it is ${last}`);
    }
  }
  // By a clock that is set readings come late, and are on a line of their own.
  if (plan.clock !== 'right') return;
  const close = stored.find((value, at) => at > 0 && value - stored[at - 1]! <= BAND);
  if (close !== undefined) violate(`flow ${close} is stored, and is within the band of the one before`);
}

function checkWindows(
  acknowledged: readonly Sent[],
  { min, max, count }: Record<'min' | 'max' | 'count', readonly HistoryReading[]>,
  violate: Violate,
): void {
  const byEnd = (of: readonly HistoryReading[], end: number) =>
    of.filter(({ ts }) => ts === end).map(({ value }) => value as number);
  for (const { ts, value } of acknowledged) {
    const end = (Math.floor(ts! / WINDOW_MS) + 1) * WINDOW_MS;
    const isCovered = byEnd(min, end).some((least) => least <= value) && byEnd(max, end).some((most) => most >= value);
    if (!isCovered) violate(`temperature ${value} is in no window that ends at ${end}`);
  }
  const counted = count.reduce((sum, { value }) => sum + (value as number), 0);
  if (counted < acknowledged.length) {
    violate(`of ${acknowledged.length} temperatures acknowledged, windows have ${counted}`);
  }
}

/** Readings cost a day no more than they are to, but for one message that is larger than expected. */
export function checkBudget({ id, readingsBytesMax, carried }: Device, dayEnd: number, violate: Violate): void {
  if (readingsBytesMax === undefined) return;
  const day = new Date(dayEnd - 1).toISOString().slice(0, 10);
  const { bytes, largest } = carried.get(day) ?? { bytes: 0, largest: 0 };
  if (bytes > readingsBytesMax + largest) {
    violate(`${id}: readings have cost ${bytes} bytes on ${day}, of ${readingsBytesMax}; a message ${largest} at most`);
  }
}

/** What was commanded and is said to be done was done, once; that it was not done twice, what is stored twice shows. */
export async function checkCommands(
  { hub, commanded }: World,
  device: Device,
  history: readonly HistoryReading[],
  violate: Violate,
): Promise<void> {
  const obeyed = new Set(history.filter(({ metric }) => metric === 'obeyed').map(({ value }) => value as number));
  const own = new Set(commanded.filter((each) => each.device === device.id).map(({ n }) => n));
  for (const n of obeyed) if (!own.has(n)) violate(`${device.id} did ${n}, which nobody commanded`);
  if (device.dropped > 0 || device.mayForget) return;
  for (const { id, state } of await hub.operators!.commands.list(device.id)) {
    const wasDone = obeyed.has(Number(id.slice(1)));
    if (state === 'done' && !wasDone) violate(`${device.id}: command ${id} is said to be done, and was not`);
    if (state !== 'done' && wasDone) violate(`${device.id}: command ${id} was done, and is said to be ${state}`);
  }
}
