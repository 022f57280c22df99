import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Lane, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { open, type SpoolOperations } from '../spool/operations.ts';
import { alertOf, arrivalOf, numbered, reportOf, SPOOL_OPTIONS, stepOf } from '../spool/spool.fixture.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { sentBatch } from './sent.fixture.ts';

const NOW = 1_700_000_000_000;
const START = { alert: 0, live: 0, report: 0, backfill: 0 };
const ROOM = { total: 100, others: 100, readings: 100, report: 100, backfill: 100 };

interface Sent {
  lane: Lane;
  epoch: string;
  seq: number;
  values: (number | undefined)[];
}

/** One start of an agent on a file. */
class Start {
  readonly db: DatabaseSync;
  readonly ops: SpoolOperations;

  constructor(file: string, run: string, life = 'life1') {
    this.db = new DatabaseSync(file);
    this.ops = open(this.db, { ...SPOOL_OPTIONS, life, run });
  }

  pass(from: number, count: number): void {
    const { id } = this.ops.append(arrivalOf(numbered(from, count)));
    this.ops.commitStep(stepOf(this.ops.state().step + 1, { through: id }));
  }

  sent(): Sent[] {
    return this.ops.nextBatches(START, ROOM, NOW).map(({ lane, payload }) => {
      const batch = sentBatch(payload);
      const values =
        batch.kind === 'readings' ? [...readingsOf(batch.columns)].map(({ value }) => value as number) : [];
      return { lane, epoch: batch.epoch, seq: batch.seq, values };
    });
  }

  runs(): unknown[] {
    return this.db.prepare('SELECT lane, seq, epoch FROM run ORDER BY lane, seq').all();
  }
}

test('an item bears the run in which it was numbered, and a batch holds items of one run, whenever it is sent', () => {
  const file = join(temporaryFolder(), 'spool.db');
  const first = new Start(file, 'a');
  first.pass(0, 3);
  first.db.close();
  const second = new Start(file, 'b');
  second.pass(3, 2);
  second.db.close();
  // One that numbers nothing leaves no trace.
  new Start(file, 'c').db.close();
  const fourth = new Start(file, 'd');
  fourth.pass(5, 1);
  expect(fourth.sent()).toEqual([
    { lane: 'live', epoch: 'life1.a', seq: 0, values: [0, 1, 2] },
    { lane: 'live', epoch: 'life1.b', seq: 3, values: [3, 4] },
    { lane: 'live', epoch: 'life1.d', seq: 5, values: [5] },
  ]);
  expect(fourth.ops.state().epoch).toBe('life1.d');
});

test('the life is that of the file, whatever word a later start brings', () => {
  const file = join(temporaryFolder(), 'spool.db');
  new Start(file, 'a', 'life1').db.close();
  expect(new Start(file, 'b', 'another').ops.state().epoch).toBe('life1.b');
});

test('a run is forgotten once all of its items are delivered or dropped, not before', () => {
  const file = join(temporaryFolder(), 'spool.db');
  for (const [at, run] of ['a', 'b', 'c'].entries()) {
    const start = new Start(file, run);
    start.pass(at * 10, 10);
    start.db.close();
  }
  const start = new Start(file, 'd');
  expect(start.runs().length).toBe(3);
  start.ops.acknowledge('live', 9);
  expect(start.runs().length).toBe(3);
  start.ops.acknowledge('live', 10);
  expect(start.runs()).toEqual([
    { lane: 'live', seq: 10, epoch: 'life1.b' },
    { lane: 'live', seq: 20, epoch: 'life1.c' },
  ]);
  start.ops.commitStep(stepOf(4, { now: NOW + SPOOL_OPTIONS.outbox.lanes.live.ageMax + 1 }));
  expect(start.runs()).toEqual([{ lane: 'live', seq: 20, epoch: 'life1.c' }]);
  start.pass(30, 1);
  expect(start.sent()).toEqual([{ lane: 'live', epoch: 'life1.d', seq: 30, values: [30] }]);
});

test('a device restored from an old copy of its file gives numbers again, and none of them is the name of another item', () => {
  const folder = temporaryFolder();
  const [file, image] = [join(folder, 'spool.db'), join(folder, 'image.db')];
  const before = new Start(file, 'a');
  before.pass(0, 4);
  before.db.close();
  copyFileSync(file, image);
  const items = new Map<string, string>();
  const collect = (start: Start) => {
    for (const { lane, epoch, seq, values } of start.sent()) {
      for (const [at, value] of values.entries()) {
        const name = `${lane}/${epoch}/${seq + at}`;
        expect(items.get(name) ?? String(value)).toBe(String(value));
        items.set(name, String(value));
      }
    }
  };
  const lived = new Start(file, 'b');
  lived.pass(100, 6);
  collect(lived);
  const restored = new Start(image, 'c');
  restored.pass(200, 6);
  collect(restored);
  expect(items.size).toBe(4 + 6 + 6);
  expect(restored.sent().map(({ epoch, seq }) => [epoch, seq])).toEqual([
    ['life1.a', 0],
    ['life1.c', 4],
  ]);
});

test('every lane has runs of its own', () => {
  const start = new Start(':memory:', 'a');
  start.ops.commitStep(stepOf(1, { alerts: [alertOf(1)], reports: [reportOf(1)] }));
  expect(start.runs()).toEqual([
    { lane: 'alert', seq: 0, epoch: 'life1.a' },
    { lane: 'report', seq: 0, epoch: 'life1.a' },
  ]);
});
