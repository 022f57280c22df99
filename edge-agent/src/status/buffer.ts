/** What `weir-agent buffer` shows: what waits for the hub, how it drains, and what the uplink does about it. */
import type { Lane } from '@weir/protocols';
import { type Clock, every } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import { ROWS_COUNTED } from '../outbox/ends.ts';
import type { LaneAccount } from '../outbox/outbox.ts';
import type { DropPolicy } from '../outbox/policies.ts';
import type { Spool } from '../spool/spool.ts';
import type { Meter, MeterStatus } from '../uplink/meter.ts';
import { ackTimeoutOf, batchBytesOf } from '../uplink/pace.ts';
import type { UplinkLimits, UplinkState } from '../uplink/state.ts';
import { age, size, table } from './format.ts';
import { type LaneRate, LaneRates, SAMPLE_MS } from './lane-rates.ts';
import type { StatusReport } from './report.ts';

export interface BufferLane {
  lane: Lane;
  items: number;
  rows: number;
  /** Of the rows, with what they cost beside their payload. */
  bytes: number;
  bytesMax: number;
  itemsMax: number;
  ageMaxMs: number;
  /** What is given up when there is no room. */
  policy: DropPolicy;
  /** When the oldest row entered. */
  oldestAt?: number | undefined;
  /** When what waits happened. */
  oldestTs?: number | undefined;
  newestTs?: number | undefined;
  inPerS: number;
  outPerS: number;
  /** Until it is empty, at these rates; absent: it does not get shorter. */
  drainS?: number | undefined;
  dropped: number;
}

/** Times in ms since epoch, sizes in bytes. */
export interface BufferReport {
  device: string;
  now: number;
  uplink: {
    state: UplinkState['phase'] | 'off';
    since: number;
    reason?: string | undefined;
    unacknowledged: { batches: number; bytes: number };
    /** Of readings that may be unacknowledged, and of the next batch. */
    windowBytes: number;
    batchBytes: number;
    roundTripMs?: number | undefined;
    ackTimeoutMs: number;
  };
  lanes: BufferLane[];
  droppedRanges: StatusReport['droppedRanges'];
  /** Of a metered line. */
  budget?: MeterStatus;
}

export interface BufferPorts {
  device: string;
  spool: Spool;
  clock: Clock;
  config: Pick<Config, 'outbox'>;
  startedAt: number;
  uplink: () => { state: UplinkState; since: number; limits: UplinkLimits } | undefined;
  meter: Meter | undefined;
}

export class BufferWatch {
  readonly #ports: BufferPorts;
  readonly #rates = new LaneRates();
  #stop = () => {};

  constructor(ports: BufferPorts) {
    this.#ports = ports;
  }

  start(): void {
    const { clock, spool } = this.#ports;
    const sample = async () => this.#rates.take(await spool.call('lanes'), clock.monotonic());
    // What could not be read is read the next time.
    this.#stop = every(clock, SAMPLE_MS, () => sample().catch(() => {}));
  }

  stop(): void {
    this.#stop();
  }

  /** Seconds until all of these lanes are empty, at their rates of now; undefined: one of them does not get shorter. */
  drainS(lanes: readonly LaneAccount[]): number | undefined {
    const each = lanes.filter(({ items }) => items > 0).map(({ lane, items }) => drainS(items, this.#rates.of(lane)));
    return each.every((seconds) => seconds !== undefined) ? Math.max(0, ...each) : undefined;
  }

  async report(): Promise<BufferReport> {
    const { device, spool, clock, config, meter } = this.#ports;
    const [accounts, ends, droppedRanges, budget] = await Promise.all([
      spool.call('lanes'),
      spool.call('laneEnds'),
      spool.call('droppedRanges'),
      meter?.status(),
    ]);
    this.#rates.take(accounts, clock.monotonic());
    const lanes = accounts.map(({ lane, items, bytes, oldestAt, dropped }, at): BufferLane => {
      const { rows, oldestTs, newestTs } = ends[at]!;
      const rate = this.#rates.of(lane);
      const seconds = items > 0 ? drainS(items, rate) : undefined;
      const waiting = { lane, items, rows, bytes, oldestAt, oldestTs, newestTs, dropped };
      return { ...waiting, ...capsOf(config.outbox, lane), ...rate, ...(seconds !== undefined && { drainS: seconds }) };
    });
    const report = { device, now: clock.now(), uplink: this.#uplink(), lanes, droppedRanges };
    return budget === undefined ? report : { ...report, budget };
  }

  #uplink(): BufferReport['uplink'] {
    const uplink = this.#ports.uplink();
    const unacknowledged = { batches: 0, bytes: 0 };
    if (uplink === undefined) {
      const { startedAt: since } = this.#ports;
      return { state: 'off', since, unacknowledged, windowBytes: 0, batchBytes: 0, ackTimeoutMs: 0 };
    }
    const { state, since, limits } = uplink;
    for (const { acked, bytes } of state.window) {
      if (acked) continue;
      unacknowledged.batches++;
      unacknowledged.bytes += bytes;
    }
    return {
      ...{ state: state.phase, since, unacknowledged },
      ...(state.reason !== undefined && { reason: state.reason }),
      windowBytes: Math.round(state.pace.windowBytes),
      batchBytes: batchBytesOf(state.pace, limits),
      ...(state.pace.roundTrip !== undefined && { roundTripMs: Math.round(state.pace.roundTrip.smoothed) }),
      ackTimeoutMs: Math.round(ackTimeoutOf(state.pace, limits)),
    };
  }
}

function drainS(items: number, { inPerS, outPerS }: LaneRate): number | undefined {
  return outPerS > inPerS ? items / (outPerS - inPerS) : undefined;
}

function capsOf(
  { lanes }: Config['outbox'],
  lane: Lane,
): Pick<BufferLane, 'bytesMax' | 'itemsMax' | 'ageMaxMs' | 'policy'> {
  const { bytesMax, rowsMax: itemsMax, ageMax: ageMaxMs, policy } = lanes[lane];
  return { bytesMax, itemsMax, ageMaxMs, policy };
}

const DROPPED_SHOWN = 10;

/** For a person at a terminal. */
export function formatBuffer(report: BufferReport): string {
  const { device, now, lanes, budget } = report;
  const when = (at: number | undefined) => (at === undefined ? '-' : `${age(now - at)} ago`);
  return [
    `device  ${device}`,
    ...uplinkLines(report),
    ...(budget === undefined ? [] : budgetLines(budget, now)),
    '',
    ...table([
      ['lane', 'waiting', 'rows', 'size', 'of', 'oldest', 'newest', 'in/s', 'out/s', 'empty in', 'dropped'],
      ...lanes.map((lane) => [
        lane.lane,
        String(lane.items),
        lane.rows >= ROWS_COUNTED ? `${ROWS_COUNTED}+` : String(lane.rows),
        size(lane.bytes),
        size(lane.bytesMax),
        when(lane.oldestTs ?? lane.oldestAt),
        when(lane.newestTs),
        rate(lane.inPerS),
        rate(lane.outPerS),
        drainOf(lane),
        String(lane.dropped),
      ]),
    ]),
    ...droppedLines(report),
  ].join('\n');
}

function uplinkLines({ uplink, now }: BufferReport): string[] {
  const { state, since, reason, unacknowledged, windowBytes, batchBytes, roundTripMs, ackTimeoutMs } = uplink;
  const doing = {
    off: 'off: this device has no hub',
    stopped: 'stopped',
    waiting: 'down, waits before the next attempt',
    opening: 'down, connects',
    open: 'up',
    changing: 'up, changes over to new credentials',
  }[state];
  const lines = [`uplink  ${doing}, for ${age(now - since)}${reason === undefined ? '' : `: ${reason}`}`];
  if (state !== 'open' && state !== 'changing') return lines;
  const trip = roundTripMs === undefined ? '' : `, acknowledged in ${roundTripMs} ms`;
  lines.push(`        ${unacknowledged.batches} batches with ${size(unacknowledged.bytes)} on their way${trip}`);
  lines.push(
    `        batches of up to ${size(batchBytes)}, ${size(windowBytes)} of readings at once, overdue after ${age(ackTimeoutMs)}`,
  );
  return lines;
}

function budgetLines(budget: MeterStatus, now: number): string[] {
  const { spentBytes, bytesPerDay, readingsBytesPerDay, isSpent, dayEndsAt, day } = budget;
  const lines = [
    `budget  ${size(spentBytes)} of ${size(bytesPerDay)} spent on ${day}, of which readings may take ${size(readingsBytesPerDay)}`,
  ];
  if (isSpent) lines.push(`        readings wait until the day is over, in ${age(dayEndsAt - now)}; alerts go`);
  return lines;
}

function droppedLines({ droppedRanges, now }: BufferReport): string[] {
  if (droppedRanges.length === 0) return [];
  const rows = droppedRanges
    .slice(-DROPPED_SHOWN)
    .map(({ lane, seq, through, count, reason, at, told }) => [
      `  ${lane}`,
      `${count} of ${seq} … ${through - 1}`,
      reason,
      `${age(now - at)} ago`,
      told ? 'the hub knows' : '',
    ]);
  return ['', 'dropped, oldest first', ...table(rows)];
}

function rate(perS: number): string {
  return perS >= 10 ? String(Math.round(perS)) : String(Math.round(perS * 10) / 10);
}

function drainOf({ items, drainS, outPerS }: BufferLane): string {
  if (items === 0) return '-';
  if (drainS !== undefined) return age(drainS * 1_000);
  return items <= outPerS * KEEPS_UP_S ? 'keeps up' : 'not as it is';
}

/** A lane that delivers within so long what waits is as short as it gets while readings come. */
const KEEPS_UP_S = 5;
