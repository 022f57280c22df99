import { columnsOf, type Json, type Reading } from '@weir/protocols';
import type { DeadLetter } from '@weir/runtime';
import { numbered } from '../spool/spool.fixture.ts';

/** Of a step at a position in the journal. */
export function letterOf(position: number | string, changes: Partial<DeadLetter> = {}): DeadLetter {
  const fold = changes.fold ?? 'mean';
  return {
    id: `${fold}:${position}`,
    fold,
    version: '1.0.0',
    hash: 'a'.repeat(64),
    at: 1_700_000_000_000,
    kind: 'threw',
    message: 'TypeError: no mean',
    place: 'mean.ts:9:7',
    stack: 'TypeError: no mean\n    at mean.ts:9:7',
    input: readingsIn(numbered(1, 2)),
    ...changes,
  };
}

export function readingsIn(readings: Reading[]): DeadLetter['input'] {
  return { kind: 'readings', columns: columnsOf(readings), device: 'gw1' };
}

export function commandIn(value: Json): DeadLetter['input'] {
  return { kind: 'event', handler: 'command', value, at: 1_700_000_000_000, device: 'gw1' };
}
