/**
 * A line that is paid for by the byte: so many bytes a day, and not more.
 *
 *     |<------------------------------ bytesPerDay ------------------------------>|
 *     | readings, reports, alerts, all there is      | reports and alerts: reserved |  alerts alone
 *
 * What a day has left is not kept for the next. Nothing is dropped for want of budget: it waits in the outbox, within
 * whose bounds it grows older.
 */
import type { BatchRoom, UplinkBatch } from '../outbox/batches.ts';

export interface Budget {
  bytesPerDay: number;
  /** Part of it that readings do not get, 0 to 1. */
  reserved: number;
  /** In which days begin, e.g. `Europe/Vienna`. */
  timeZone: string;
}

/** What a day has cost. */
export interface Spent {
  /** `2026-11-28` in the budget's time zone. */
  day: string;
  bytes: number;
}

/**
 * Around a payload, when it is sent alone: heads of MQTT (40) and TLS (22), the acknowledgement with its own (26), and
 * those of TCP/IP for both and for what acknowledges them (4 · 40).
 */
const MESSAGE_BYTES = 250;
/** What fits into one packet of TCP, and what that costs: its head, and half of the packet that acknowledges two. */
const SEGMENT_BYTES = 1_400;
const SEGMENT_COST_BYTES = 60;
/** Zones are less than a day apart, and a day with a change of the clocks is not much longer. */
const DAY_MS_MAX = 27 * 3_600_000;

/** What it costs to send it. The rest of the line's traffic is measured. */
export function costOf(payloadBytes: number): number {
  return payloadBytes + MESSAGE_BYTES + segmentsCost(payloadBytes);
}

/** Of heads of TCP/IP, for so many bytes in one go. */
export function segmentsCost(bytes: number): number {
  return Math.floor(bytes / SEGMENT_BYTES) * SEGMENT_COST_BYTES;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** @returns `2026-11-28`; later days sort behind earlier ones */
export function dayOf(at: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
    formats.set(timeZone, format);
  }
  return format.format(at);
}

/** The moment at which the next day begins, to the millisecond. */
export function endOfDay(at: number, timeZone: string): number {
  const day = dayOf(at, timeZone);
  let low = at;
  let high = at + DAY_MS_MAX;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (dayOf(middle, timeZone) === day) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The account of the day that it is now. A clock that is set back does not give a day's budget twice: what was spent
 * counts for the day that it is then.
 */
export function accountOn(spent: Spent | undefined, now: number, { timeZone }: Budget): Spent {
  const day = dayOf(now, timeZone);
  if (spent === undefined || day > spent.day) return { day, bytes: 0 };
  return { day, bytes: spent.bytes };
}

/** Bytes that readings have left, at least 0. */
export function leftForReadings({ bytes }: Spent, { bytesPerDay, reserved }: Budget): number {
  return Math.max(0, Math.floor(bytesPerDay * (1 - reserved)) - bytes);
}

/** What of a room may be filled, and until when the rest waits; the latter undefined when all of it may. */
export function withinBudget(
  room: BatchRoom,
  spent: Spent,
  budget: Budget,
  now: number,
): { room: BatchRoom; heldUntil: number | undefined } {
  const left = leftForReadings(spent, budget);
  const isSpent = spent.bytes >= budget.bytesPerDay;
  if (left > 0) {
    // Not more than there is, but for what the last batch is larger than expected.
    const batchBytes = Math.min(room.batchBytes ?? left, left);
    const readings = Math.min(room.readings, Math.max(1, Math.floor(left / costOf(batchBytes))));
    return { room: { ...room, batchBytes, readings }, heldUntil: undefined };
  }
  const report = isSpent ? 0 : room.report;
  return { room: { ...room, readings: 0, report }, heldUntil: endOfDay(now, budget.timeZone) };
}

export function costOfAll(batches: readonly UplinkBatch[]): number {
  return batches.reduce((sum, { payload }) => sum + costOf(payload.length), 0);
}
