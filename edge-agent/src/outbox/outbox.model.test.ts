/**
 * Whatever comes, leaves, is acknowledged, is over a bound, and whenever the agent is started again: each number of a
 * lane is an item that waits, one that was delivered, or one that a gap counts, and the hub can make out which.
 */
import { DatabaseSync } from 'node:sqlite';
import { type GapReport, LANES, type Lane, type Reading, readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { open, type SpoolOperations } from '../spool/operations.ts';
import { alertOf, arrivalOf, outboxLimits, reportOf, SPOOL_OPTIONS, stepOf } from '../spool/spool.fixture.ts';
import type { Cursors, UplinkBatch } from './batches.ts';
import { NamedItems } from './named-items.fixture.ts';
import type { DropPolicy, MetricPolicy } from './policies.ts';
import { sentBatch } from './sent.fixture.ts';

const START: Cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
const ROOM = { total: 6, others: 6, readings: 3, report: 2, backfill: 2 };
const BEGINNING = 1_700_000_000_000;

interface Settings {
  policy: DropPolicy;
  metrics: MetricPolicy[];
  bytesMax: number;
  rowsMax: number;
  itemsMax: number;
}

/** The hub: what it has taken, by name. */
class Hub {
  readonly values = new Map<string, number>();
  readonly gaps = new Map<string, GapReport>();

  take({ lane, payload }: UplinkBatch): void {
    const batch = sentBatch(payload);
    for (let at = 0; at < batch.count; at++) {
      const name = `${lane}/${batch.epoch}/${batch.seq + at}`;
      if (batch.kind === 'readings') this.#keep(name, [...readingsOf(batch.columns)][at]!.value as number);
      else if (!this.values.has(name)) {
        this.#keep(name, -1);
        const report = batch.kind === 'reports' ? batch.reports[at]! : undefined;
        if (report?.type === 'gap') this.#gap(report);
      }
    }
  }

  /** Of a lane in the order of their numbers, and within an epoch. */
  of(lane: Lane): { seq: number; value: number }[] {
    return [...this.values]
      .filter(([name]) => name.startsWith(`${lane}/`))
      .map(([name, value]) => ({ seq: Number(name.split('/')[2]), value }))
      .sort((a, b) => a.seq - b.seq);
  }

  #keep(name: string, value: number): void {
    expect(this.values.get(name) ?? value, `item ${name} is two readings`).toBe(value);
    this.values.set(name, value);
  }

  #gap(gap: GapReport): void {
    expect(this.gaps.has(gap.id), `told twice: ${gap.id}`).toBe(false);
    this.gaps.set(gap.id, gap);
  }
}

class Agent {
  readonly hub = new Hub();
  readonly #db = new DatabaseSync(':memory:');
  readonly #settings: Settings;
  readonly #named: NamedItems;
  #ops!: SpoolOperations;
  #run = 0;
  #cursors: Cursors = START;
  #handed: UplinkBatch[] = [];
  #next = 0;
  now = BEGINNING;
  /** By lane: values that came into it. */
  readonly came = new Map<Lane, number[]>(LANES.map((lane) => [lane, []]));
  readonly acked = new Map<Lane, number>(LANES.map((lane) => [lane, 0]));

  constructor(settings: Settings) {
    this.#settings = settings;
    this.restart();
    this.#named = new NamedItems(this.#db);
  }

  restart(): void {
    const { policy, metrics, bytesMax, rowsMax, itemsMax } = this.#settings;
    const lane = { policy, metrics, bytesMax, rowsMax };
    const outbox = outboxLimits({ live: lane, backfill: lane, report: { bytesMax: 20_000 } });
    outbox.liveBytesMax = 2_000;
    outbox.downsample = { every: 10_000, everyMax: 40_000 };
    const options = { ...SPOOL_OPTIONS, run: `run${++this.#run}`, outbox, batch: { itemsMax, bytesMax: 100_000 } };
    this.#ops = open(this.#db, options);
    this.disconnect();
  }

  /** A reading a second of each of two series. */
  pass(count: number, connected: boolean): void {
    const readings = Array.from({ length: count }, (): Reading => {
      const value = this.#next++;
      const metric = value % 2 === 0 ? 'a.fast' : 'b.slow';
      return { sensor: 's', metric, value, ts: BEGINNING + Math.floor(value / 2) * 1_000 };
    });
    const before = this.#ops.state().lanes;
    const { id } = this.#ops.append(arrivalOf(readings));
    this.#ops.commitStep(stepOf(this.#ops.state().step + 1, { through: id, connected, now: this.now }));
    const lane = this.#ops.state().lanes.find(({ nextSeq }, at) => nextSeq !== before[at]!.nextSeq)!.lane;
    this.came.get(lane)!.push(...readings.map(({ value }) => value as number));
  }

  alert(): void {
    this.#ops.commitStep(stepOf(this.#ops.state().step + 1, { alerts: [alertOf(1)], now: this.now }));
  }

  report(): void {
    this.#ops.addReports([reportOf(1)], this.now);
  }

  tellGaps(): void {
    this.#ops.tellGaps(this.now);
  }

  disconnect(): void {
    this.#cursors = { ...START };
    this.#handed = [];
  }

  /** What is handed out reaches the hub, or does not. */
  send(arrives: boolean): void {
    for (const batch of this.#ops.nextBatches(this.#cursors, ROOM, this.now)) {
      this.#cursors = { ...this.#cursors, [batch.lane]: batch.seq + batch.count };
      if (arrives) this.hub.take(batch);
      this.#handed.push(batch);
      if (!arrives) break;
    }
    // The connection is lost with the batch.
    if (!arrives) this.disconnect();
  }

  acknowledge(): void {
    const batch = this.#handed.shift();
    if (batch === undefined) return;
    const before = this.#account(batch.lane);
    this.#ops.acknowledge(batch.lane, batch.seq + batch.count);
    const after = this.#account(batch.lane);
    this.acked.set(batch.lane, this.acked.get(batch.lane)! + before.items - after.items);
  }

  drain(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      this.disconnect();
      this.tellGaps();
      this.send(true);
      if (this.#handed.length === 0) return;
      while (this.#handed.length > 0) this.acknowledge();
    }
    throw new Error('the outbox is never empty');
  }

  check(): void {
    const ranges = this.#ops.droppedRanges();
    for (const lane of LANES) {
      const { nextSeq, items, bytes, dropped } = this.#account(lane);
      const own = ranges.filter((range) => range.lane === lane);
      expect(this.acked.get(lane)! + items + dropped, `numbers of ${lane}`).toBe(nextSeq);
      expect(
        own.reduce((sum, { count }) => sum + count, 0),
        `gaps of ${lane}`,
      ).toBe(dropped);
      const rows = this.#db.prepare('SELECT seq, count, bytes FROM outbox WHERE lane = ? ORDER BY seq').all(lane);
      expect(rows.reduce((sum, row) => sum + (row.bytes as number), 0)).toBe(bytes);
      // No number is in two places.
      const places = [...rows.map(({ seq, count }) => [seq as number, (seq as number) + (count as number)])]
        .concat(own.filter(({ seq, through, count }) => count === through - seq).map((r) => [r.seq, r.through]))
        .sort((a, b) => a[0]! - b[0]!);
      for (const [at, place] of places.entries()) {
        if (at > 0) expect(place[0], `place ${place} of ${lane}`).toBeGreaterThanOrEqual(places[at - 1]![1]!);
      }
      if (lane === 'live' || lane === 'backfill') {
        expect(bytes).toBeLessThanOrEqual(this.#settings.bytesMax);
        expect(items).toBeLessThanOrEqual(this.#settings.rowsMax);
      }
    }
    expect(this.#account('alert').dropped).toBe(0);
    this.#named.check();
  }

  #account(lane: Lane) {
    return this.#ops.state().lanes.find((account) => account.lane === lane)!;
  }

  account(lane: Lane) {
    return this.#account(lane);
  }
}

type Action = (agent: Agent) => void;

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 60 }), fc.boolean()).map(
      ([count, connected]): Action =>
        (agent) =>
          agent.pass(count, connected),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.boolean().map(
      (arrives): Action =>
        (agent) =>
          agent.send(arrives),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Action>((agent) => agent.acknowledge()) },
  { weight: 1, arbitrary: fc.constant<Action>((agent) => agent.restart()) },
  { weight: 1, arbitrary: fc.constant<Action>((agent) => agent.disconnect()) },
  { weight: 1, arbitrary: fc.constant<Action>((agent) => agent.tellGaps()) },
  { weight: 1, arbitrary: fc.constant<Action>((agent) => agent.alert()) },
  { weight: 1, arbitrary: fc.constant<Action>((agent) => agent.report()) },
);

const policies: [string, DropPolicy, MetricPolicy[]][] = [
  ['drop-oldest', 'drop-oldest', []],
  ['drop-newest', 'drop-newest', []],
  ['downsample', 'downsample', []],
  ['downsample of one metric', 'drop-oldest', [{ metric: 'a.*', policy: 'downsample', every: 5_000 }]],
  ['keeping the oldest of one metric', 'drop-oldest', [{ metric: '*.slow', policy: 'drop-newest' }]],
  ['keeping the oldest, thinning the rest', 'downsample', [{ metric: 'b.?low', policy: 'drop-newest' }]],
];

test.each(policies)('%s: delivered, waiting and in gaps make up what was numbered', (_name, policy, metrics) => {
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 400, max: 3_000 }),
      fc.constantFrom(40, 150, 1_000_000),
      fc.integer({ min: 1, max: 80 }),
      (actions, bytesMax, rowsMax, itemsMax) => {
        const agent = new Agent({ policy, metrics, bytesMax, rowsMax, itemsMax });
        for (const act of actions) {
          act(agent);
          agent.check();
        }
        agent.drain();
        for (const lane of ['live', 'backfill'] as const) {
          const { nextSeq, items, dropped } = agent.account(lane);
          const had = agent.hub.of(lane);
          const values = had.map(({ value }) => value);
          expect(items).toBe(0);
          expect(new Set(values).size, `${lane}: a reading is there under two numbers`).toBe(values.length);
          expect(
            [...values].sort((a, b) => a - b),
            `${lane}: the order`,
          ).toEqual(values);
          const told = [...agent.hub.gaps.values()].filter((gap) => gap.lane === lane);
          expect(
            told.reduce((sum, { count }) => sum + count, 0),
            `${lane}: told`,
          ).toBe(dropped);
          // What was given up after it was sent, without an answer: the hub has it, and knows by its number.
          const both = had.filter(({ seq }) => told.some((gap) => gap.seq <= seq && seq < gap.through)).length;
          expect(had.length + dropped - both, `${lane}: numbers`).toBe(nextSeq);
          const came = new Set(agent.came.get(lane));
          expect(values.every((value) => came.has(value))).toBe(true);
          const lost = agent.came.get(lane)!.length - values.length;
          expect(lost, `${lane}: readings that nobody has`).toBe(dropped - both);
        }
      },
    ),
    { numRuns: 60 },
  );
});
