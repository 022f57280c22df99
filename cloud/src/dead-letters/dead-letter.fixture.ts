import { columnsOf, type DeadLetterReport, type Reading } from '@weir/protocols';
import type { DeadLetter } from '@weir/runtime';

export const AT = 1_700_000_000_000;

export function readingOf(value: number): Reading {
  return { sensor: 'oven1', metric: 'temperature', value, ts: AT + value };
}

/** As a device tells of it. */
export function letterReport(n: number, changes: Partial<DeadLetterReport> = {}): DeadLetterReport {
  const fn = changes.function ?? 'mean';
  return {
    type: 'dead-letter',
    id: `${fn}:${n}`,
    ts: AT + n,
    function: fn,
    version: '1.0.0',
    hash: 'a'.repeat(64),
    replays: 0,
    fault: {
      kind: 'threw',
      message: 'TypeError: no mean',
      place: 'mean.ts:9:7',
      stack: 'TypeError: no mean\n    at x',
    },
    input: { kind: 'readings', count: 2, readings: [readingOf(1), readingOf(2)] },
    ...changes,
  };
}

/** As a step in the hub makes it. */
export function foldLetter(position: string, values: readonly number[], changes: Partial<DeadLetter> = {}): DeadLetter {
  const fold = changes.fold ?? 'mean';
  const input = { kind: 'readings', columns: columnsOf(values.map(readingOf)), device: 'gw1' } as const;
  const fault = { kind: 'threw', message: 'TypeError: no mean', stack: 'TypeError: no mean' } as const;
  return { id: `${fold}:${position}`, fold, version: '1', hash: 'a'.repeat(64), at: AT, ...fault, input, ...changes };
}
