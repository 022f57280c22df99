import { DatabaseSync } from 'node:sqlite';
import { type Columns, columnsOf, type Reading, readingsOf } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { groupOf } from '../intake/stamping.ts';
import type { Arrival } from '../journal/journal.ts';
import type { LaneLimits } from '../outbox/policies.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { open } from '../spool/operations.ts';
import { alertOf, outboxLimits, reportOf, SPOOL_OPTIONS, stepOf } from '../spool/spool.fixture.ts';
import type { Era, Learned, Stamp } from './agent-clock.ts';
import type { Certainty } from './timekeeping.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What the device takes for the time as it starts, its floor. */
const FLOOR = 1_700_000_000_000;
const UP = 20_000;
const ROOM = { total: 50, others: 50, readings: 50, report: 50, backfill: 50 };
const NO_CURSORS = { alert: 0, live: 0, report: 0, backfill: 0 };

/** A boot of a device, whose clock is moved by hand. */
class Boot {
  era: Era;
  monotonic = UP;
  readonly #spool: Spool;

  constructor(spool: Spool, id: number, certainty: Certainty = 'unsynchronised', from = FLOOR) {
    this.#spool = spool;
    this.era = { id, boot: `boot${id}`, certainty, offset: from - UP, fromAt: from };
    this.keep();
  }

  get now(): number {
    return this.monotonic + this.era.offset;
  }

  get stamp(): Stamp {
    return { era: this.era, monotonic: this.monotonic };
  }

  get kept() {
    const { boot, certainty, offset } = this.era;
    return { boot, certainty, source: 'floor' as const, offset, unknownSince: UP, at: this.now };
  }

  keep(): void {
    this.#spool.operations.keepTime(this.kept, this.stamp);
  }

  /** Ms on, a reading for which the clock of this device says when, and one whose sensor does. */
  arrive(ms: number, sensorTs: number): void {
    this.monotonic += ms;
    const readings: Reading[] = [
      { sensor: 'ours', metric: 'm', value: this.monotonic, ts: this.now },
      { sensor: 'theirs', metric: 'm', value: this.monotonic, ts: sensorTs, quality: 'bad' },
    ];
    const time = {
      stamp: this.stamp,
      stamped: this.era.certainty === 'synchronised' ? undefined : Uint8Array.of(1, 0),
    };
    this.#spool.append({ columns: columnsOf(readings), receivedAt: this.now, future: 0, refused: undefined, time });
  }

  learned(shift: number, known = true): Learned {
    const { boot, offset } = this.era;
    const now = this.now + shift;
    const from = this.era.fromAt;
    const kept = { ...this.kept, certainty: 'synchronised' as const, offset: offset + shift, at: now };
    return { boot, offset: offset + shift, known, shift, from, now, before: this.era, kept };
  }
}

class Spool {
  readonly operations;
  readonly #db = new DatabaseSync(':memory:');
  #step = 0;
  #last = 0;

  constructor(backfill: Partial<LaneLimits> = {}) {
    this.operations = open(this.#db, {
      ...SPOOL_OPTIONS,
      outbox: outboxLimits({ backfill: { ageMax: 180 * DAY, ...backfill } }),
    });
  }

  forget(key: string): void {
    this.#db.prepare('DELETE FROM meta WHERE key = ?').run(key);
  }

  append(arrival: Arrival): void {
    this.#last = this.operations.append(arrival).id;
  }

  /** The functions pass what there is, and something comes of it. */
  pass(boot: Boot, emitted?: Columns, learned?: Learned): void {
    const step = stepOf(++this.#step, {
      through: this.#last,
      connected: false,
      emitted,
      now: boot.now,
      time: boot.stamp,
      learned,
    });
    this.operations.commitStep(step);
  }

  learn(boot: Boot, shift: number): void {
    const step = stepOf(++this.#step, { now: boot.now, time: boot.stamp, learned: boot.learned(shift) });
    this.operations.commitStep(step);
  }

  sent(): { ts: number; sensor: string; quality: string | undefined }[] {
    return this.readings().map(({ ts, sensor, quality }) => ({ ts, sensor, quality }));
  }

  readings(): Reading[] {
    return this.operations.nextBatches(NO_CURSORS, ROOM, FLOOR).flatMap(({ payload }) => {
      const batch = sentBatch(payload);
      return batch.kind === 'readings' ? [...readingsOf(batch.columns)] : [];
    });
  }
}

const times = (sent: { ts: number; sensor: string }[], sensor: string) =>
  sent.filter((each) => each.sensor === sensor).map(({ ts }) => ts);

test('a step that is run again has the arrival it had, also where the clock was held for a moment so as not to go back', () => {
  const spool = new Spool();
  const boot = new Boot(spool, 1, 'assumed');
  const held = boot.now + 7;
  const time = { stamp: boot.stamp, stamped: Uint8Array.of(1) };
  const columns = columnsOf([{ sensor: 'ours', metric: 'm', value: 1, ts: held }]);
  const arrival: Arrival = { columns, receivedAt: held, future: 0, refused: undefined, time };
  const offered = groupOf(arrival, spool.operations.append(arrival));
  expect(spool.operations.journalAfter(0, 10).groups).toEqual([offered]);
});

describe('a boot in which time was not known', () => {
  test('is told with its mark as long as it is not, and with the right times once it is; sensors keep theirs', () => {
    const spool = new Spool();
    const boot = new Boot(spool, 1);
    boot.arrive(1_000, 42);
    spool.pass(boot);
    boot.arrive(1_000, 43);
    const before = spool.sent();
    expect(before).toEqual([
      { ts: FLOOR + 1_000, sensor: 'ours', quality: 'clock' },
      { ts: 42, sensor: 'theirs', quality: 'bad' },
    ]);
    spool.learn(boot, 400 * DAY);
    const group = spool.operations.journalAfter(1, 10).groups[0]!;
    expect(group.receivedAt).toBe(FLOOR + 2_000 + 400 * DAY);
    expect([...group.columns.ts]).toEqual([FLOOR + 2_000 + 400 * DAY, 43]);
    spool.pass(boot);
    expect(times(spool.sent(), 'ours')).toEqual([1_000, 2_000].map((ms) => FLOOR + ms + 400 * DAY));
    expect(times(spool.sent(), 'theirs')).toEqual([42, 43]);
    expect(spool.sent().map(({ quality }) => quality)).toEqual([undefined, 'bad', undefined, 'bad']);
  });

  test('has right what is left of it when it was thinned out before; so has the boot before what can be known of it', () => {
    const spool = new Spool({ policy: 'downsample', rowsMax: 60 });
    const fill = (boot: Boot) => {
      for (let at = 0; at < 100; at++) {
        boot.arrive(2_000, (boot.monotonic + 2_000) * 10);
        spool.pass(boot);
      }
    };
    const first = new Boot(spool, 1);
    fill(first);
    const second = new Boot(spool, 2, 'unsynchronised', FLOOR + HOUR);
    fill(second);
    spool.learn(second, 400 * DAY);
    const timesOf = (from: number, quality: string | undefined) =>
      Array.from({ length: 100 }, (_, at) => UP + 2_000 * (at + 1)).map((value) => `${from - UP + value} ${quality}`);
    const expected = new Set([...timesOf(FLOOR, 'clock'), ...timesOf(FLOOR + HOUR + 400 * DAY, undefined)]);
    const left = spool.readings();
    expect(left.length).toBeLessThanOrEqual(60);
    for (const { sensor, value, ts, quality } of left) {
      if (sensor === 'ours') expect(expected).toContain(`${ts} ${quality}`);
      else expect([ts, quality]).toEqual([(value as number) * 10, 'bad']);
    }
    expect(new Set(left.map(({ sensor }) => sensor))).toEqual(new Set(['ours', 'theirs']));
    expect(left.some(({ ts }) => ts < FLOOR + HOUR && ts >= FLOOR)).toBe(true);
  });

  test('loses nothing for its age when the clock goes on by more than anything is kept', () => {
    const spool = new Spool();
    const boot = new Boot(spool, 1);
    boot.arrive(1_000, 42);
    spool.pass(boot);
    spool.learn(boot, 400 * DAY);
    const next = new Boot(spool, 2, 'synchronised', FLOOR + 400 * DAY + 2_000);
    next.arrive(1_000, 42);
    spool.pass(next);
    expect(times(spool.sent(), 'ours').length).toBe(2);
    expect(spool.operations.counts().lanes.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 0]);
    const late = new Boot(spool, 3, 'synchronised', FLOOR + 600 * DAY);
    spool.pass(late);
    expect(times(spool.sent(), 'ours')).toEqual([]);
  });

  test('has what functions and the agent itself have said of it set right, too', () => {
    const spool = new Spool();
    const boot = new Boot(spool, 1);
    boot.arrive(1_000, 42);
    spool.operations.commitStep(
      stepOf(1, {
        time: boot.stamp,
        connected: false,
        now: boot.now,
        emitted: columnsOf([
          { sensor: 'made', metric: 'm', value: 1, ts: boot.now },
          { sensor: 'made', metric: 'm', value: 1, ts: FLOOR - DAY },
        ]),
        alerts: [{ ...alertOf(1), ts: boot.now, startedAt: FLOOR - 1 }],
        reports: [{ ...reportOf(1), ts: boot.now }],
      }),
    );
    const told = () => spool.operations.nextBatches(NO_CURSORS, ROOM, FLOOR).map(({ payload }) => sentBatch(payload));
    const [marked] = told();
    expect(marked).toMatchObject({ alerts: [{ ts: boot.now, quality: 'clock' }] });
    spool.operations.learnTime(boot.learned(DAY));
    const [alerts, reports, readings] = told();
    expect(alerts).toMatchObject({ alerts: [{ ts: boot.now + DAY, startedAt: FLOOR - 1 }] });
    expect(alerts).not.toMatchObject({ alerts: [{ quality: 'clock' }] });
    expect(reports).toMatchObject({ reports: [{ ts: boot.now + DAY }] });
    expect(readings!.kind === 'readings' && [...readings!.columns.ts]).toEqual([boot.now + DAY, FLOOR - DAY]);
  });

  test('that was only assumed bears no mark', () => {
    const spool = new Spool();
    const boot = new Boot(spool, 1, 'assumed');
    boot.arrive(1_000, 42);
    spool.pass(boot);
    expect(spool.sent()[0]).toEqual({ ts: FLOOR + 1_000, sensor: 'ours', quality: undefined });
    spool.learn(boot, -HOUR);
    expect(spool.sent()[0]!.ts).toBe(FLOOR + 1_000 - HOUR);
  });
});

describe('boots before it, of which nobody will ever know more', () => {
  test('keep their place in the order and their mark, and nothing of them is given up in doubt', () => {
    const spool = new Spool();
    const first = new Boot(spool, 1);
    first.arrive(HOUR, 42);
    spool.pass(first);
    const second = new Boot(spool, 2, 'unsynchronised', first.now);
    second.arrive(HOUR, 42);
    spool.pass(second);
    spool.learn(second, 300 * DAY);
    const next = new Boot(spool, 3, 'synchronised', FLOOR + 301 * DAY);
    spool.pass(next);
    expect(spool.sent().filter(({ sensor }) => sensor === 'ours')).toEqual([
      { ts: FLOOR + HOUR, sensor: 'ours', quality: 'clock' },
      { ts: FLOOR + 2 * HOUR + 300 * DAY, sensor: 'ours', quality: undefined },
    ]);
  });

  test('lie before it also where they were taken to be later', () => {
    const spool = new Spool();
    const boots = [1, 2, 3].map((id) => {
      const boot = new Boot(spool, id, 'assumed', FLOOR + id * HOUR);
      boot.arrive(HOUR / 2, 42);
      spool.pass(boot);
      return boot;
    });
    spool.learn(boots[2]!, -20 * HOUR);
    const sent = spool.sent().filter(({ sensor }) => sensor === 'ours');
    expect(times(sent, 'ours')).toEqual(times(sent, 'ours').sort((a, b) => a - b));
    expect(sent[1]!.ts).toBeLessThanOrEqual(FLOOR + 3 * HOUR - 20 * HOUR);
    expect(sent.map(({ quality }) => quality)).toEqual(['clock', 'clock', undefined]);
  });
});

test('what is kept of the time is there at the next start, with the latest of it, and the number of the last era', () => {
  const { operations } = new Spool();
  expect(operations.keptTime()).toBeUndefined();
  const spool = new Spool();
  const boot = new Boot(spool, 7);
  boot.arrive(HOUR, 42);
  expect(spool.operations.keptTime()).toMatchObject({ boot: 'boot7', at: FLOOR + HOUR, lastEra: 7 });
});

test.each(['clock', 'clock-at'])(
  'where %s is lost by damage, the next start goes on from what the eras say, and no era comes again',
  (key) => {
    const spool = new Spool();
    const boot = new Boot(spool, 7);
    boot.arrive(HOUR, 42);
    spool.forget(key);
    const left = key === 'clock' ? { boot: '', at: FLOOR + HOUR } : { boot: 'boot7', at: FLOOR };
    expect(spool.operations.keptTime()).toMatchObject({ ...left, lastEra: 7 });
    const next = new Boot(spool, 8, 'unsynchronised', FLOOR + HOUR);
    expect(spool.operations.keptTime()).toMatchObject({ boot: 'boot8', at: next.now, lastEra: 8 });
  },
);
