/** Readings of batches of version 1, which stored history may hold: columns over all series at once. Only read. */
import { BatchError } from './batch-error.ts';
import type { CborValue, TypedColumn } from './cbor.ts';
import type { Columns } from './columns.ts';
import { malformed } from './fields.ts';

/** @throws {BatchError} */
export function fillVersion1(columns: Columns, map: { [key: string]: CborValue }, first: number): void {
  const count = columns.index.length;
  fill(columns.index, column(map.i, 'i', count, columns.series.length === 1));
  fill(columns.values, column(map.x, 'x', count, true));
  integrate(columns.ts, first, count === 1 ? null : column(map.d, 'd', count - 1, true));
}

/** A column has one element for each reading, or a single one that holds for all. */
function column(value: CborValue | undefined, key: string, count: number, constantAllowed: boolean): TypedColumn {
  if (!ArrayBuffer.isView(value)) throw malformed(key, 'a typed array', value);
  if (value.length === count || (constantAllowed && value.length === 1)) return value;
  throw new BatchError('malformed', `${key}: ${value.length} elements for ${count}`);
}

/** A NaN that the target can hold is refused with the values. */
function fill(target: Uint16Array | Float64Array, source: TypedColumn): void {
  if (source.length === target.length) {
    for (let i = 0; i < target.length; i++) {
      target[i] = source[i]!;
      if (target[i] !== source[i] && !Number.isNaN(target[i]))
        throw new BatchError('value', `element ${i}: ${source[i]} is out of range`);
    }
    return;
  }
  target.fill(source[0]!);
  if (target[0] !== source[0] && !Number.isNaN(target[0]))
    throw new BatchError('value', `element 0: ${source[0]} is out of range`);
}

function integrate(ts: Float64Array, first: number, steps: TypedColumn | null): void {
  ts[0] = first;
  if (steps === null) return;
  const constant = steps.length === 1;
  for (let i = 1; i < ts.length; i++) ts[i] = ts[i - 1]! + steps[constant ? 0 : i - 1]!;
}
