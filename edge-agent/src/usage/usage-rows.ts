/**
 * What functions used and no report has told yet; runs in the database thread.
 *
 * It is added in the transaction that keeps the step, and taken out in the one that makes the report an item of the
 * outbox. So whatever is killed whenever, a step that counts is told once, and one that is repeated counts once.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { UsageReport } from '@weir/protocols';
import type { FunctionUsage } from '@weir/runtime';
import type { Outbox } from '../outbox/outbox.ts';

const DAY_MS = 86_400_000;
/** Microseconds are the finest that is measured. */
const CPU_DIGITS = 1_000;

type Row = Omit<FunctionUsage, 'fold'> & { fold: string; day: number; fromAt: number; toAt: number };

export function usageRows(db: DatabaseSync) {
  const upsert = db.prepare(
    `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       from_at = min(from_at, excluded.from_at), to_at = max(to_at, excluded.to_at),
       memory_mb = max(memory_mb, excluded.memory_mb), invocations = invocations + excluded.invocations,
       readings = readings + excluded.readings, cpu_ms = cpu_ms + excluded.cpu_ms,
       heap_bytes_max = max(heap_bytes_max, excluded.heap_bytes_max), errors = errors + excluded.errors,
       outputs = outputs + excluded.outputs`,
  );
  const all = db.prepare(
    `SELECT fold, version, day, from_at AS fromAt, to_at AS toAt, memory_mb AS memoryMb, invocations, readings,
       cpu_ms AS cpuMs, heap_bytes_max AS heapBytesMax, errors, outputs FROM usage ORDER BY day, fold, version`,
  );
  const remove = db.prepare('DELETE FROM usage WHERE fold = ? AND version = ? AND day = ?');
  return {
    add(usages: readonly FunctionUsage[], now: number): void {
      for (const { fold, version, memoryMb, ...used } of usages) {
        const { invocations, readings, cpuMs, heapBytesMax, errors, outputs } = used;
        const key = [fold, version, dayOf(now), now, now];
        upsert.run(...key, memoryMb, invocations, readings, cpuMs, heapBytesMax, errors, outputs);
      }
    },

    /** Takes out what is to be told: all of it, or that of other days alone. */
    take(includingToday: boolean, now: number): UsageReport[] {
      const rows = all.all() as unknown as Row[];
      const told = rows.filter(({ day }) => includingToday || day !== dayOf(now));
      for (const { fold, version, day } of told) remove.run(fold, version, day);
      return told.map((row) => reportOf(row, now));
    },
  };
}

export function usageOperations(db: DatabaseSync, outbox: Outbox) {
  const rows = usageRows(db);
  return {
    /**
     * Keeps what was used by steps that changed nothing, and makes reports of all that is to be told now. Without a
     * connection that is a day that is over: a device may be away for months, and each report takes room.
     * @returns how many
     */
    tellUsage(used: readonly FunctionUsage[], isConnected: boolean, now: number): number {
      rows.add(used, now);
      const reports = rows.take(isConnected, now);
      if (reports.length === 0) return 0;
      outbox.addReports(reports, now);
      outbox.enforceBounds(now);
      return reports.length;
    },
  };
}

/** In UTC. */
function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}

function reportOf({ fold, day, fromAt, toAt, cpuMs, ...row }: Row, now: number): UsageReport {
  // Nothing came since, and a time of silence is part of what was measured; of a day that is over nobody knows.
  const ts = day === dayOf(now) ? Math.max(now, toAt) : toAt;
  return {
    type: 'usage',
    id: `${fold}@${row.version}:${ts}`,
    ts,
    from: fromAt,
    function: fold,
    ...row,
    cpuMs: Math.round(cpuMs * CPU_DIGITS) / CPU_DIGITS,
  };
}
