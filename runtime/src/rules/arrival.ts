/**
 * In which order readings came, from the numbers that their device gave them: what is late comes late when it is run again.
 * Between lanes, and lives of a device, the numbers say nothing: there the latest time that had been seen says it.
 */
import { type Columns, concatColumns } from '@weir/protocols';
import { pickColumns } from '../fold/select.ts';

export interface NumberedBatch {
  lane: string;
  epoch: string;
  seq: number;
  columns: Columns;
}

export interface Arrivals {
  /** In order of arrival. */
  columns: Columns;
  /** Of each: no earlier than any before it; ms. */
  arrivedAt: Float64Array;
  /** That came behind later ones of their series: how many, and how late the latest; ms. */
  late: { count: number; mostMs: number };
}

export function inArrival(batches: readonly NumberedBatch[]): Arrivals {
  const streams = Map.groupBy(batches, ({ lane, epoch }) => `${lane}/${epoch}`);
  const parts: Columns[] = [];
  const seen: number[] = [];
  for (const stream of streams.values()) {
    let latest = Number.NEGATIVE_INFINITY;
    for (const { columns } of [...stream].sort((a, b) => a.seq - b.seq)) {
      parts.push(columns);
      for (const ts of columns.ts) {
        latest = Math.max(latest, ts);
        seen.push(latest);
      }
    }
  }
  const all = concatColumns(parts);
  const order = seen.map((_, at) => at).sort((a, b) => seen[a]! - seen[b]! || a - b);
  const columns = pickColumns(all, order);
  return { columns, arrivedAt: Float64Array.from(order, (at) => seen[at]!), late: lateIn(columns) };
}

function lateIn({ index, ts, series }: Columns): Arrivals['late'] {
  const latest = new Map<string, number>();
  const late = { count: 0, mostMs: 0 };
  for (let at = 0; at < index.length; at++) {
    const { sensor, metric } = series[index[at]!]!;
    const key = `${sensor}/${metric}`;
    const before = latest.get(key) ?? Number.NEGATIVE_INFINITY;
    if (ts[at]! >= before) latest.set(key, ts[at]!);
    else {
      late.count++;
      late.mostMs = Math.max(late.mostMs, before - ts[at]!);
    }
  }
  return late;
}
