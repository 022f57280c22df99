/** A spool with something in most of its tables, and what must be true of one that was brought over. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { open } from './operations.ts';
import { alertOf, arrivalOf, numbered, reportOf, SPOOL_OPTIONS, stepOf } from './spool.fixture.ts';

export const NOW = 1_700_000_000_000;
export const START = { alert: 0, live: 0, report: 0, backfill: 0 };
export const ROOM = { total: 1_000, others: 1_000, readings: 1_000, report: 1_000, backfill: 1_000 };
export const OPTIONS = { life: 'newlife', run: 'salvaged', now: NOW, hasTime: () => true };

/** @returns its path; nobody has it open */
export function filled(folder: string): string {
  const file = join(folder, 'spool.db');
  rmSync(file, { force: true });
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN');
  const ops = open(db, SPOOL_OPTIONS);
  let step = 0;
  const pass = (from: number, count: number, connected: boolean) => {
    const { id } = ops.append(arrivalOf(numbered(from, count)));
    ops.commitStep(stepOf(++step, { through: id, connected, states: [{ fold: 'f', json: `{"n":${from}}` }] }));
  };
  for (let n = 0; n < 400; n++) pass(n * 10, 10, n % 3 === 0);
  ops.commitStep(stepOf(++step, { alerts: [alertOf(1), alertOf(2)], reports: [reportOf(1), reportOf(2)] }));
  ops.acknowledge('live', 250);
  for (let n = 0; n < 5; n++) ops.append(arrivalOf(numbered(100_000 + n, 3)));
  ops.stageBundle('a'.repeat(64), new Uint8Array(50_000));
  const running = [{ name: 'f', hash: 'a'.repeat(64), config: '{}', quarantined: null }];
  ops.commitStep(stepOf(++step, { deployed: { running } }));
  db.exec('COMMIT');
  db.close();
  return file;
}

export interface Opened {
  db: DatabaseSync;
  ops: ReturnType<typeof open>;
}

export function opened(file: string): Opened {
  const db = new DatabaseSync(file);
  return { db, ops: open(db, { ...SPOOL_OPTIONS, life: 'another', run: 'later' }) };
}

/** What the accounts say is there, and no number is in two places. */
export function checkAccounts({ db, ops }: Opened): void {
  const ranges = ops.droppedRanges();
  for (const { lane, nextSeq, acked, items, bytes } of ops.state().lanes) {
    const rows = db.prepare('SELECT seq, count, bytes FROM outbox WHERE lane = ? ORDER BY seq').all(lane) as {
      seq: number;
      count: number;
      bytes: number;
    }[];
    expect(rows.reduce((sum, row) => sum + row.bytes, 0)).toBe(bytes);
    expect(rows.reduce((sum, row) => sum + row.seq + row.count - Math.max(row.seq, acked), 0)).toBe(items);
    for (const { seq, count } of rows) {
      expect(seq + count).toBeLessThanOrEqual(nextSeq);
      const overlapping = ranges.filter((r) => r.lane === lane && r.seq < seq + count && seq < r.through);
      expect(overlapping.every((r) => r.count < r.through - r.seq)).toBe(true);
    }
  }
  // Whatever is left can be sent, and new items be numbered.
  ops.nextBatches(START, ROOM, NOW);
  const { step } = ops.state();
  const { id } = ops.append(arrivalOf(numbered(0, 3)));
  ops.commitStep(stepOf(step + 1, { through: id, alerts: [alertOf(3)] }));
  ops.nextBatches(START, ROOM, NOW);
  expect(db.prepare('PRAGMA quick_check(1)').get()).toEqual({ quick_check: 'ok' });
}
