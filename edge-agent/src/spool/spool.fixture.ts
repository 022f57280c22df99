import { DatabaseSync } from 'node:sqlite';
import { type AlertTransition, columnsOf, type Lane, type Reading, type Report } from '@weir/protocols';
import type { StepCommit } from '../functions/step-commit.ts';
import type { Arrival } from '../journal/journal.ts';
import type { LaneLimits, OutboxLimits } from '../outbox/policies.ts';
import { open, type SpoolOptions } from './operations.ts';

export const SPOOL_OPTIONS: SpoolOptions = {
  life: 'life1',
  run: 'run1',
  outbox: outboxLimits(),
  batch: { itemsMax: 5_000, bytesMax: 100_000 },
  publishesMax: 100,
  deadLetters: { perFunctionMax: 10, bytesPerFunctionMax: 1e6, max: 20, bytesMax: 1e6, toldPerMinute: 100 },
  commandsMax: 100,
};

/** Room for whatever a test puts in, but for what it says of lanes. */
export function outboxLimits(lanes: Partial<Record<Lane, Partial<LaneLimits>>> = {}): OutboxLimits {
  const of = (lane: Lane, bytesMax: number): LaneLimits => ({
    bytesMax,
    rowsMax: 1e9,
    ageMax: 1e12,
    policy: 'drop-oldest',
    metrics: [],
    ...lanes[lane],
  });
  return {
    lanes: { alert: of('alert', 1e6), live: of('live', 1e9), backfill: of('backfill', 1e9), report: of('report', 1e6) },
    liveBytesMax: 1e6,
    downsample: { every: 60_000, everyMax: 3_600_000 },
  };
}

/** The operations themselves, on a database in memory and in this thread. */
export function openInMemory(changes: Partial<SpoolOptions> = {}) {
  return open(new DatabaseSync(':memory:'), { ...SPOOL_OPTIONS, ...changes });
}

/** Readings whose values are `from`, `from + 1`, …, so that each can be told from the others. */
export function numbered(from: number, count: number): Reading[] {
  return Array.from({ length: count }, (_, i) => ({
    sensor: `s${(from + i) % 3}`,
    metric: 'm',
    value: from + i,
    ts: 1_700_000_000_000 + from + i,
  }));
}

export function arrivalOf(readings: Reading[]): Arrival {
  return { columns: columnsOf(readings), receivedAt: 1_700_000_000_000, future: 0, refused: undefined };
}

export function stepOf(number: number, changes: Partial<StepCommit> = {}): StepCommit {
  return {
    number,
    states: [],
    emitted: undefined,
    alerts: [],
    publishes: [],
    through: undefined,
    deployed: undefined,
    connected: true,
    now: 1_700_000_000_000,
    ...changes,
  };
}

export function alertOf(seq: number): AlertTransition {
  return {
    episode: 'episode0001',
    seq,
    state: 'firing',
    reason: 'threshold',
    severity: 'warning',
    source: { kind: 'rule', name: 'hot', version: '1' },
    device: 'gw1',
    ts: 1_700_000_000_000,
    startedAt: 1_700_000_000_000,
    summary: 'too hot',
  };
}

export function reportOf(n: number, detail = ''): Report {
  return { type: 'command-done', id: `c${n}`, ts: 1_700_000_000_000, outcome: 'failed', detail };
}
