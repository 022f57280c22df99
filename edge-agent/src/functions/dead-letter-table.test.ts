import { DatabaseSync } from 'node:sqlite';
import { columnsOf, type Json, parseReport, REPORT_BYTES_MAX, type Report, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { Eras, makeClockSchema } from '../clock/eras.ts';
import { batchOperations } from '../outbox/batches.ts';
import { Outbox } from '../outbox/outbox.ts';
import { Runs } from '../outbox/runs.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { makeSchema, metaOf } from '../spool/schema.ts';
import { numbered, outboxLimits, SPOOL_OPTIONS } from '../spool/spool.fixture.ts';
import { commandIn, letterOf, readingsIn } from './dead-letter.fixture.ts';
import { type DeadLetterLimits, DeadLetterTable } from './dead-letter-table.ts';

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;

function openTable(limits: Partial<DeadLetterLimits> = {}, reportBytesMax = 1e6) {
  const db = new DatabaseSync(':memory:');
  makeSchema(db, 'life1');
  makeClockSchema(db);
  const meta = metaOf(db);
  const numbering = { runs: new Runs(db, 'life1.run1'), eras: new Eras(db) };
  const outbox = new Outbox(db, numbering, outboxLimits({ report: { bytesMax: reportBytesMax } }));
  const { nextBatches } = batchOperations(db, outbox, numbering, { itemsMax: 1_000, bytesMax: 100_000 });
  const table = new DeadLetterTable(db, meta, outbox, { ...SPOOL_OPTIONS.deadLetters, ...limits });
  const room = { total: 100, others: 100, readings: 0, report: 100, backfill: 0 };
  return {
    table,
    outbox,
    dropped: () => meta.get('dead-letters-dropped'),
    told: (): Report[] =>
      nextBatches({ alert: 0, live: 0, report: 0, backfill: 0 }, room, NOW).flatMap(({ payload }) => {
        const batch = sentBatch(payload);
        return batch.kind === 'reports' ? batch.reports : [];
      }),
  };
}

const summary = (report: Report) =>
  `${report.type} ${report.id}${report.type === 'dead-letter-gone' ? ` ${report.reason}` : ''}`;

test('a letter is kept with the whole of its input, and the hub is told of it', () => {
  const { table, told } = openTable();
  const readings = numbered(1, 3);
  table.add(
    [letterOf(17, { input: readingsIn(readings) }), letterOf(18, { input: commandIn({ open: [1, 2] }) })],
    undefined,
    NOW,
  );
  expect(table.get('mean:17')).toEqual({ letter: letterOf(17, { input: readingsIn(readings) }), replays: 0 });
  expect(table.get('mean:18')?.letter.input).toEqual(commandIn({ open: [1, 2] }));
  expect(told()).toMatchObject([
    {
      type: 'dead-letter',
      id: 'mean:17',
      function: 'mean',
      fault: { kind: 'threw', message: 'TypeError: no mean', place: 'mean.ts:9:7' },
      input: { kind: 'readings', count: 3, readings },
    },
    { type: 'dead-letter', id: 'mean:18', input: { kind: 'event', handler: 'command', value: '{"open":[1,2]}' } },
  ]);
});

test('of readings picked out of a step no more is kept than they need', () => {
  const { table } = openTable();
  const step = columnsOf(
    Array.from({ length: 500 }, (_, at) => ({ sensor: `s${at}`, metric: 'm', value: at, ts: at })),
  );
  const one = { ...step, index: step.index.slice(7, 8), ts: step.ts.slice(7, 8), values: step.values.slice(7, 8) };
  table.add([letterOf(1, { input: { kind: 'readings', columns: one, device: 'gw1' } })], undefined, NOW);
  expect(table.waiting()[0]!.bytes).toBeLessThan(1_000);
});

test('a letter that a report has no room for is told by its head, and a report of any letter is one that the hub takes', () => {
  const { table, told } = openTable();
  const large = 'x'.repeat(40_000);
  table.add(
    [
      letterOf(1, {
        input: readingsIn(numbered(1, 2_000)),
        message: large,
        stack: '\u0000'.repeat(9_000),
        place: large,
      }),
      letterOf(2, { input: commandIn(large) }),
      letterOf(3, { input: commandIn(Array.from({ length: 50 }).reduce<Json>((inner) => [inner], 1)) }),
    ],
    undefined,
    NOW,
  );
  const [many, text, nested] = told();
  expect(many).toMatchObject({ input: { count: 2_000 } });
  const { readings } = (many as { input: { readings: unknown[] } }).input;
  expect(readings.length).toBeGreaterThan(100);
  expect(readings.length).toBeLessThan(2_000);
  expect(text).toMatchObject({ input: { handler: 'command' } });
  expect(text).not.toHaveProperty('input.value');
  expect(nested).toHaveProperty('input.value');
  for (const report of [many, text, nested]) {
    expect(JSON.stringify(report).length).toBeLessThan(REPORT_BYTES_MAX);
    expect(parseReport(JSON.stringify(report))).toHaveProperty('report');
  }
});

test('over a limit the oldest letters go, of the function that is over it, and are counted and told as dropped', () => {
  const { table, told, dropped } = openTable({ perFunctionMax: 3, max: 5 });
  for (let at = 1; at <= 4; at++) table.add([letterOf(at)], undefined, NOW);
  expect(table.waiting()).toMatchObject([{ function: 'mean', count: 3 }]);
  for (let at = 5; at <= 7; at++) table.add([letterOf(at, { fold: 'rms' })], undefined, NOW);
  expect(table.waiting()).toMatchObject([
    { function: 'mean', count: 2 },
    { function: 'rms', count: 3 },
  ]);
  expect(dropped()).toBe(2);
  expect(told().map(summary)).toEqual([
    'dead-letter mean:1',
    'dead-letter mean:2',
    'dead-letter mean:3',
    'dead-letter mean:4',
    'dead-letter-gone mean:1 dropped',
    'dead-letter rms:5',
    'dead-letter rms:6',
    'dead-letter rms:7',
    'dead-letter-gone mean:2 dropped',
  ]);
});

test('bytes are bounded like rows; one letter over the bound alone is dropped, too', () => {
  const { table, dropped } = openTable({ bytesPerFunctionMax: 5_000, bytesMax: 8_000 });
  for (let at = 1; at <= 6; at++) table.add([letterOf(at, { input: commandIn('x'.repeat(1_000)) })], undefined, NOW);
  const { count, bytes } = table.waiting()[0]!;
  expect(bytes).toBeLessThanOrEqual(5_000);
  expect(dropped()).toBe(6 - count);
  table.add([letterOf(7, { fold: 'rms', input: commandIn('x'.repeat(6_000)) })], undefined, NOW);
  expect(table.waiting().map((each) => each.function)).toEqual(['mean']);
});

test('a function that always throws does not fill the line: the hub is told of some at once, of the rest later', () => {
  const { table, told } = openTable({ toldPerMinute: 2 });
  for (let at = 1; at <= 5; at++) table.add([letterOf(at)], undefined, NOW);
  expect(told()).toHaveLength(2);
  table.add([letterOf(6, { fold: 'rms' })], undefined, NOW);
  expect(told().map(summary).at(-1)).toBe('dead-letter rms:6');
  expect(table.tell(NOW + MINUTE)).toBe(true);
  expect(told()).toHaveLength(5);
  table.end('mean:5', 'removed', NOW + MINUTE);
  expect(table.tell(NOW + 2 * MINUTE)).toBe(false);
  expect(told().map(summary)).toEqual(
    ['mean:1', 'mean:2', 'rms:6', 'mean:3', 'mean:4'].map((id) => `dead-letter ${id}`),
  );
});

test('letters leave half of the room of reports to those that cannot wait', () => {
  const { table, told, outbox } = openTable({}, 3_000);
  for (let at = 1; at <= 10; at++) table.add([letterOf(at)], undefined, NOW);
  const waiting = told().length;
  expect(waiting).toBeLessThan(5);
  outbox.acknowledge('report', waiting);
  expect(table.tell(NOW)).toBe(true);
  expect(told().length).toBeGreaterThan(0);
});

test('a letter that was run again is gone; what it led to at another function is a letter of its own', () => {
  const { table, told } = openTable();
  table.add([letterOf(17)], undefined, NOW);
  const other = letterOf('replay.x.flow', { fold: 'rms' });
  table.add([other], { id: 'mean:17', position: 'replay.x' }, NOW);
  expect(table.get('mean:17')).toBeUndefined();
  expect(table.get('rms:replay.x.flow')).toBeDefined();
  expect(told().map(summary)).toEqual([
    'dead-letter mean:17',
    'dead-letter rms:replay.x.flow',
    'dead-letter-gone mean:17 replayed',
  ]);
});

test('a letter that fails again goes on under its name, with what is left of it and the new error', () => {
  const { table, told } = openTable();
  table.add([letterOf(17, { input: readingsIn(numbered(1, 3)) })], undefined, NOW);
  const again = letterOf('replay.x', {
    at: NOW + MINUTE,
    message: 'RangeError: still',
    input: readingsIn(numbered(2, 1)),
  });
  table.add([again], { id: 'mean:17', position: 'replay.x' }, NOW + MINUTE);
  const kept = table.get('mean:17')!;
  expect(kept).toMatchObject({ replays: 1, letter: { id: 'mean:17', at: NOW, message: 'RangeError: still' } });
  const { input } = kept.letter;
  expect(input.kind === 'readings' && [...readingsOf(input.columns)]).toEqual(numbered(2, 1));
  expect(table.waiting()).toMatchObject([{ function: 'mean', count: 1 }]);
  expect(told().at(-1)).toMatchObject({ type: 'dead-letter', id: 'mean:17', replays: 1, input: { count: 1 } });
});

test('a step that is repeated makes no second letter; of one that is gone already the hub is told that', () => {
  const { table, told } = openTable();
  table.add([letterOf(17)], undefined, NOW);
  table.add([letterOf(17)], undefined, NOW);
  table.end('mean:17', 'removed', NOW);
  table.add([], { id: 'mean:17', position: 'replay.x' }, NOW);
  expect(told().map(summary)).toEqual(['dead-letter mean:17', 'dead-letter-gone mean:17 removed']);
  table.end('mean:17', 'removed', NOW);
  expect(told().map(summary).at(-1)).toBe('dead-letter-gone mean:17 unknown');
});
