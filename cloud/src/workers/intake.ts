/** Takes records of the log in, by what they carry. */
import { alertsBetween, type Batch, concatColumns } from '@weir/protocols';
import type { LogRecord } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import { sliceChunk } from '../store/history.ts';
import type { Device, Devices } from './devices.ts';
import type { Effects } from './effects.ts';
import { addTransitions, type Folds } from './folds.ts';
import type { WorkerCounts } from './limits.ts';
import type { Range } from './ranges.ts';
import { partsOf, type ReportPorts, takeReports } from './reports.ts';
import type { Suspect } from './suspect.ts';

export interface IntakePorts extends ReportPorts {
  partition: number;
  devices: Devices;
  folds: Folds;
  suspect: Suspect;
  counts: WorkerCounts;
  logger: Logger;
  now: () => number;
  /** @returns what is to be committed from here on */
  commit(effects: Effects): Promise<Effects>;
}

export class Intake {
  readonly #ports: IntakePorts;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  /**
   * @param batch undefined: the record is to be kept aside
   * @returns what is to be committed from here on
   */
  async take(record: LogRecord, batch: Batch | undefined, effects: Effects): Promise<Effects> {
    if (batch === undefined) {
      this.#ports.counts.keptAside++;
      await this.#keepAside(record, 'unprocessable');
      return effects;
    }
    const device = await this.#ports.devices.get(record.device);
    if (batch.kind === 'reports') return this.#takeReports(record, batch, device, effects);
    const { seq, count } = batch;
    const missing = device.state.receive(record.lane, batch.epoch, seq, count, record.receivedAt);
    const fresh = missing.reduce((sum, [from, to]) => sum + to - from, 0);
    effects.duplicates += count - fresh;
    if (fresh === 0) return effects;
    effects.touch(device.state);
    const parts = missing.map(([from, to]): Range => [from - seq, to - seq]);
    if (batch.kind === 'alerts') {
      const alerts = parts.flatMap(([from, to]) => alertsBetween(batch, from, to));
      addTransitions('edge', device, alerts, effects);
    } else await this.#takeReadings(record, batch, parts, device, effects);
    return effects;
  }

  /** Each part with a commit of its own, so that a handler sees what the one before it did. */
  async #takeReports(
    record: LogRecord,
    batch: Batch & { kind: 'reports' },
    { state: device }: Device,
    before: Effects,
  ): Promise<Effects> {
    let effects = before;
    for (const part of partsOf(batch)) {
      if (!effects.empty) effects = await this.#ports.commit(effects);
      await takeReports(record, batch, part, { device, effects, now: this.#ports.now() }, this.#ports);
    }
    return effects;
  }

  async #takeReadings(
    record: LogRecord,
    batch: Batch & { kind: 'readings' },
    parts: readonly Range[],
    device: Device,
    effects: Effects,
  ): Promise<void> {
    const { folds, suspect } = this.#ports;
    const whole = { device: record.device, lane: record.lane, epoch: batch.epoch, seq: batch.seq };
    const chunks = parts.map(([from, to]) =>
      sliceChunk({ ...whole, columns: batch.columns, encoded: record.payload }, from, to),
    );
    for (const chunk of chunks) {
      effects.add(device.state.keep(chunk, record.receivedAt));
      effects.readings += chunk.columns.index.length;
    }
    if (suspect.treatmentOf(record) !== 'whole') return this.#keepAside(record, 'functions-failed');
    await folds.step(device, record, concatColumns(chunks.map((chunk) => chunk.columns)), effects);
  }

  async #keepAside({ device, payload, position }: LogRecord, reason: string): Promise<void> {
    this.#ports.logger.error({ device, position, reason }, 'a record is kept aside');
    const detail = `log position ${position} of partition ${this.#ports.partition} failed again and again`;
    await this.#ports.fleet.refused(device, reason, detail, payload);
  }
}
