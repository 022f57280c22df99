/**
 * What the hub does with what agents say of themselves: a handler for each type of report.
 *
 * A handler is told of each report once. What it changes is committed in the write that notes the reports as received,
 * so it holds exactly once however often anything fails; and it sees the store as of all reports before.
 */
import assert from 'node:assert/strict';
import { type Batch, encodeReport, type Report, type ReportType, reportsBetween } from '@weir/protocols';
import type { DeviceLetters } from '../dead-letters/device-letters.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { DeviceItems } from '../gaps/device-items.ts';
import type { Range } from '../gaps/ranges.ts';
import type { LogRecord } from '../log/log.ts';
import type { Change, Store } from '../store/store.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import { type Receiving, receive, settle } from './receive.ts';

export interface ReportContext {
  device: string;
  /** Of the device; what changes in them is committed with the rest. */
  letters: DeviceLetters;
  items: DeviceItems;
  store: Store;
  /** ms since epoch, clock of the hub. */
  now: number;
}

export interface ReportOutcome {
  /** At most one for each report, and {@link CHANGES_BESIDE} more. */
  changes: Change[];
  /** Called when they are committed. A crash may come before it. */
  committed?: () => void;
}

/** Of reports of one type, or of several for which it is the handler, in order. Called again with the same when a commit failed. */
export type ReportHandler<R extends Report> = (
  reports: readonly R[],
  context: ReportContext,
) => Promise<ReportOutcome> | ReportOutcome;

export type ReportHandlers = { [T in ReportType]?: ReportHandler<Extract<Report, { type: T }>> };

/** Reports of one commit: with what else a commit holds they stay well within what the store takes in one write. */
export const REPORTS_PER_COMMIT = 20;
const CHANGES_BESIDE = 4;

type ReportBatch = Batch & { kind: 'reports' };

export interface ReportPorts extends Receiving {
  store: Store;
  reports: ReportHandlers;
  fleet: Pick<Fleet, 'refused'>;
}

/** Adds to `effects` what is new in a part of a batch, and what it brings about; what nobody takes is kept aside. */
export async function takeReports(
  record: LogRecord,
  batch: ReportBatch,
  part: Range,
  { device, effects, now }: { device: Device; effects: Effects; now: number },
  ports: ReportPorts,
): Promise<void> {
  const { store, reports: handlers, fleet } = ports;
  const { state, letters } = device;
  const fresh = await receive(record, batch, part, { device, effects }, ports);
  if (fresh.length === 0) return;
  const reports = fresh.flatMap(([from, to]) => reportsBetween(batch, from, to));
  effects.reports += reports.length;
  const handlerOf = ({ type }: Report) => handlers[type] as ReportHandler<Report> | undefined;
  // Types with one handler go to it together, for their order may matter.
  for (const some of Map.groupBy(reports, (report) => handlerOf(report) ?? report.type).values()) {
    const handler = handlerOf(some[0]!);
    const { type } = some[0]!;
    if (handler === undefined) {
      const content = new TextEncoder().encode(encodeReport(some[0]!));
      await fleet.refused(state.device, 'unknown-type', `${some.length} reports of type ${type}`, content);
      continue;
    }
    const { changes, committed } = await handler(some, {
      device: state.device,
      letters,
      items: state.items,
      store,
      now,
    });
    assert(changes.length <= some.length + CHANGES_BESIDE, `${changes.length} changes for ${some.length} ${type}`);
    effects.addOnce(changes, committed);
  }
  settle(device, effects, ports);
  if (letters.weight > 0) effects.touch(letters);
}
