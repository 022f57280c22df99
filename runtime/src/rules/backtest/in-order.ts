/**
 * Readings in order of their time, out of batches that overlap: what comes next is known once no batch that is still to come
 * can have anything earlier. So only what overlaps is held.
 */
import { type Columns, concatColumns } from '@weir/protocols';
import { pickColumns } from '../../fold/select.ts';

export interface OverlappingBatch {
  /** No reading of it, nor of any batch behind it, is earlier, ms; of a wide one: of itself alone. */
  from: number;
  wide?: boolean;
  columns: Columns;
}

/** So many readings at once, at least, as long as there are any: sorting a few costs more than that. */
const READINGS = 20_000;

/** @returns parts, each in order and behind the one before; readings of one time in the order in which they came */
export async function* inOrder(batches: AsyncIterable<OverlappingBatch>): AsyncGenerator<Columns> {
  let held: Columns[] = [];
  let count = 0;
  for await (const { from, wide = false, columns } of batches) {
    if (!wide && count >= READINGS) {
      const { ready, rest } = cutAt(held, from);
      if (ready.length > 0) yield sorted(ready);
      held = rest;
      count = rest.reduce((sum, { index }) => sum + index.length, 0);
    }
    held.push(columns);
    count += columns.index.length;
  }
  if (held.length > 0) yield sorted(held);
}

function cutAt(held: readonly Columns[], before: number): { ready: Columns[]; rest: Columns[] } {
  const ready: Columns[] = [];
  const rest: Columns[] = [];
  for (const columns of held) {
    const [early, late]: [number[], number[]] = [[], []];
    for (let i = 0; i < columns.ts.length; i++) (columns.ts[i]! < before ? early : late).push(i);
    if (late.length === 0) ready.push(columns);
    else if (early.length === 0) rest.push(columns);
    else {
      ready.push(pickColumns(columns, early));
      rest.push(pickColumns(columns, late));
    }
  }
  return { ready, rest };
}

/** What is of the time from `from` (inclusive) to `to` (exclusive), ms. */
export function withinTime(columns: Columns, from: number, to: number): Columns {
  const { ts } = columns;
  const places: number[] = [];
  for (let i = 0; i < ts.length; i++) if (ts[i]! >= from && ts[i]! < to) places.push(i);
  return places.length === ts.length ? columns : pickColumns(columns, places);
}

export function sorted(parts: readonly Columns[]): Columns {
  const columns = concatColumns(parts);
  const { ts } = columns;
  let isSorted = true;
  for (let i = 1; i < ts.length && isSorted; i++) isSorted = ts[i]! >= ts[i - 1]!;
  if (isSorted) return columns;
  const order = Array.from(ts, (_, i) => i).sort((a, b) => ts[a]! - ts[b]! || a - b);
  return pickColumns(columns, order);
}
