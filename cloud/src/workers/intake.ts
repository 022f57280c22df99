/** Takes records of the log in, by what they carry. */
import {
  type AlertTransition,
  alertsBetween,
  type Batch,
  type BatchHead,
  concatColumns,
  decodeBatch,
  parseEpoch,
} from '@weir/protocols';
import { unrecorded } from '../alerts/episodes.ts';
import { onTheirWay } from '../alerts/ways.ts';
import type { Range } from '../gaps/ranges.ts';
import type { LogRecord } from '../log/log.ts';
import { decodePresence } from '../log/presence-record.ts';
import type { Logger } from '../logger.ts';
import { type HistoryChunk, sliceChunk } from '../store/history.ts';
import type { Device, Devices } from './devices.ts';
import type { Effects } from './effects.ts';
import { addTransitions, type Folds } from './folds.ts';
import type { WorkerCounts } from './limits.ts';
import { piecesOf, type ReadingsBatch } from './put-back.ts';
import { type Receiving, receive } from './receive.ts';
import { REPORTS_PER_COMMIT, type ReportPorts, takeReports } from './reports.ts';
import type { Suspect } from './suspect.ts';

export interface IntakePorts extends ReportPorts, Receiving {
  partition: number;
  devices: Devices;
  folds: Folds;
  suspect: Suspect;
  counts: WorkerCounts;
  logger: Logger;
  now: () => number;
  /** Told of each record of the lane backfill when the log need not keep it. */
  onBackfilled?(device: string): void;
  /** @returns what is to be committed from here on */
  commit(effects: Effects): Promise<Effects>;
}

/** With what functions make of them they fit into one write, beside the states of all functions of a device. */
const ALERTS_PER_COMMIT = 5;

export class Intake {
  readonly #ports: IntakePorts;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  /** @returns what is to be committed from here on */
  async take(record: LogRecord, effects: Effects): Promise<Effects> {
    const { devices, suspect, counts } = this.#ports;
    if (record.lane === 'backfill') effects.addOnce([], () => this.#ports.onBackfilled?.(record.device));
    if (suspect.treatmentOf(record) === 'aside') {
      counts.keptAside++;
      await this.#keepAside(record, 'unprocessable');
      return effects;
    }
    if (record.lane === 'presence') return this.#takePresence(record, effects);
    const batch = decodeBatch(record.payload);
    const device = await devices.get(record.device);
    if (batch.kind === 'reports') return this.#takeReports(record, batch, device, effects);
    if (batch.kind === 'alerts') return this.#takeAlerts(record, batch, device, effects);
    const chunks: HistoryChunk[] = [];
    for (const { head, part } of await piecesOf(device.state.items, record.lane, batch)) {
      const fresh = await receive(record, head, part, { device, effects }, this.#ports);
      for (const range of fresh) chunks.push(chunkOf(record, batch, head, range));
    }
    if (chunks.length > 0) await this.#takeReadings(record, chunks, device, effects);
    return effects;
  }

  async #takePresence(record: LogRecord, effects: Effects): Promise<Effects> {
    const { devices, folds } = this.#ports;
    const device = await devices.get(record.device);
    const presence = decodePresence(record.payload);
    const isChange = device.state.turn(presence, record.receivedAt);
    effects.touch(device.state);
    if (isChange && this.#mayRunFunctions(record)) {
      await folds.event(device, { kind: 'presence', online: presence.online }, record, effects);
    }
    return effects;
  }

  /**
   * Where functions hear of alerts, some at a time with a commit of their own: which of them are new can be told from
   * what is committed, and the write that records them is the one that keeps what functions made of them.
   */
  async #takeAlerts(
    record: LogRecord,
    batch: Batch & { kind: 'alerts' },
    device: Device,
    before: Effects,
  ): Promise<Effects> {
    const { folds, store, commit } = this.#ports;
    let effects = before;
    await folds.converge(device, effects);
    const areHeard = (device.folds.active || device.folds.feeds.hearAlerts) && this.#mayRunFunctions(record);
    // Of a device that went back to an old copy of its disk it counts what was recorded before: that is to be committed.
    const mayBeBack = (await device.state.items.branchOf(record.lane, batch.epoch)) !== 0;
    if (mayBeBack && !effects.empty) effects = await commit(effects);
    for (const part of areHeard ? cut(batch.count, ALERTS_PER_COMMIT) : [[0, batch.count] as const]) {
      if (areHeard && !effects.empty) effects = await commit(effects);
      const parts = await receive(record, batch, part, { device, effects }, this.#ports);
      const alerts = await this.#onTheirWay(record, batch, parts, device);
      const own = addTransitions('edge', device, alerts, effects);
      if (!areHeard || own.length === 0) continue;
      const fresh = await unrecorded(store, own);
      if (fresh.length > 0) await folds.event(device, { kind: 'alerts', alerts: fresh }, record, effects);
    }
    return effects;
  }

  /** Of a device that went on from an old copy of its disk, some belong to episodes of their own. */
  async #onTheirWay(
    { lane }: LogRecord,
    batch: Batch & { kind: 'alerts' },
    parts: readonly Range[],
    { state }: Device,
  ): Promise<AlertTransition[]> {
    const alerts = parts.flatMap(([from, to]) => alertsBetween(batch, from, to));
    const branch = await state.items.branchOf(lane, batch.epoch);
    if (branch === undefined || branch === 0) return alerts;
    const { life } = parseEpoch(batch.epoch);
    return onTheirWay(this.#ports.store, alerts, { life, branch });
  }

  /** Each part with a commit of its own, so that a handler sees what the one before it did. */
  async #takeReports(
    record: LogRecord,
    batch: Batch & { kind: 'reports' },
    device: Device,
    before: Effects,
  ): Promise<Effects> {
    let effects = before;
    for (const part of cut(batch.count, REPORTS_PER_COMMIT)) {
      if (!effects.empty) effects = await this.#ports.commit(effects);
      await takeReports(record, batch, part, { device, effects, now: this.#ports.now() }, this.#ports);
    }
    return effects;
  }

  async #takeReadings(
    record: LogRecord,
    chunks: readonly HistoryChunk[],
    device: Device,
    effects: Effects,
  ): Promise<void> {
    for (const chunk of chunks) {
      effects.add(device.state.keep(chunk, record.receivedAt));
      effects.readings += chunk.columns.index.length;
    }
    if (!this.#mayRunFunctions(record)) return this.#keepAside(record, 'functions-failed');
    await this.#ports.folds.step(device, record, concatColumns(chunks.map((chunk) => chunk.columns)), effects);
  }

  #mayRunFunctions(record: LogRecord): boolean {
    return this.#ports.suspect.treatmentOf(record) === 'whole';
  }

  #keepAside(record: LogRecord, reason: string): Promise<void> {
    const { suspect, logger, fleet, partition } = this.#ports;
    return suspect.tellOnce(record, reason, async () => {
      const { device, payload, position } = record;
      logger.error({ device, position, reason }, 'a record is kept aside');
      const detail = `log position ${position} of partition ${partition} failed again and again`;
      await fleet.refused(device, reason, detail, payload);
    });
  }
}

function chunkOf(record: LogRecord, batch: ReadingsBatch, { epoch }: BatchHead, [from, to]: Range): HistoryChunk {
  const { device, lane, payload } = record;
  const { seq, columns } = batch;
  const isAsSent = epoch === batch.epoch;
  return sliceChunk({ device, lane, epoch, seq, columns, ...(isAsSent && { encoded: payload }) }, from, to);
}

/** Positions, from (inclusive) to (exclusive), of what is to be committed together. */
function* cut(count: number, most: number): Generator<Range> {
  for (let from = 0; from < count; from += most) yield [from, Math.min(from + most, count)];
}
