import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AlertTransition, alertTransitionSchema } from '../alert/transition.ts';
import { COMMAND_OUTCOMES } from '../command/command.ts';
import { type Reading, TS_MAX } from '../reading.ts';
import { REPORT_BYTES_MAX, type Report } from '../report/report.ts';
import { alertsBetween, BATCH_LIMITS, type Batch, decodeBatch, encodeBatch, reportsBetween } from './batch.ts';
import type { BatchError } from './batch-error.ts';
import { decodeCbor } from './cbor.ts';
import { columnsOf, readingsOf, sliceColumns } from './columns.ts';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
const label = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 32 })
  .filter((text) => Buffer.byteLength(text) <= 32);
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(-0, 0, 1, -1, 0.1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, Number.MIN_VALUE, Number.MAX_VALUE),
  fc.boolean(),
  fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => Buffer.byteLength(text) <= 256),
);
const ts = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: 0, max: TS_MAX }),
);
const reading: fc.Arbitrary<Reading> = fc.record(
  { sensor: name, metric: name, value, ts, unit: label, quality: label },
  { requiredKeys: ['sensor', 'metric', 'value', 'ts'], noNullPrototype: true },
);
const epoch = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);
const seq = fc.oneof(fc.nat(1000), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - BATCH_LIMITS.itemsMax }));
const transition: fc.Arbitrary<AlertTransition> = fc.record(
  {
    episode: fc.stringMatching(/^[a-z0-9]{8,40}$/),
    seq: fc.integer({ min: 1 }),
    state: fc.constantFrom('pending', 'firing', 'resolved'),
    reason: fc.constantFrom('threshold', 'held', 'cleared', 'function', 'removed'),
    severity: fc.constantFrom('info', 'warning', 'critical'),
    source: fc.record(
      { kind: fc.constantFrom('rule', 'function'), name, version: fc.string({ maxLength: 64 }) },
      { noNullPrototype: true },
    ),
    device: fc.stringMatching(/^[a-zA-Z0-9:_-]{1,128}$/),
    ts,
    startedAt: ts,
    summary: fc.string({ unit: 'grapheme', maxLength: 40 }),
    sensor: name,
    metric: name,
    value,
    peak: fc.double({ noNaN: true, noDefaultInfinity: true }),
  },
  {
    requiredKeys: ['episode', 'seq', 'state', 'reason', 'severity', 'source', 'device', 'ts', 'startedAt', 'summary'],
    noNullPrototype: true,
  },
);

function readingsBatch(readings: Reading[], head = { epoch: 'e1', seq: 0 }): Batch {
  return { kind: 'readings', ...head, count: readings.length, columns: columnsOf(readings) };
}

function decodedReadings(bytes: Uint8Array): Reading[] {
  const batch = decodeBatch(bytes);
  if (batch.kind !== 'readings') throw new Error(`expected readings, found ${batch.kind}`);
  return [...readingsOf(batch.columns)];
}

describe('a batch says at the hub what it said at the edge', () => {
  test('any readings: all kinds, units, quality, times in any order', () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 60 }), epoch, seq, (readings, epoch, seq) => {
        const bytes = encodeBatch(readingsBatch(readings, { epoch, seq }));
        const batch = decodeBatch(bytes);
        expect(batch).toMatchObject({ kind: 'readings', epoch, seq, count: readings.length });
        expect(decodedReadings(bytes)).toStrictEqual(readings);
      }),
      { numRuns: 300 },
    );
  });

  test('any alert transitions', () => {
    fc.assert(
      fc.property(fc.array(transition, { minLength: 1, maxLength: 8 }), epoch, seq, (alerts, epoch, seq) => {
        const batch: Batch = { kind: 'alerts', epoch, seq, count: alerts.length, alerts };
        expect(decodeBatch(encodeBatch(batch))).toStrictEqual(batch);
      }),
      { numRuns: 100 },
    );
  });

  test('a Buffer at any offset of its memory, as a socket delivers it', () => {
    const readings = [0.1, 0.2, 1 / 3].map(
      (value, at): Reading => ({ sensor: 's', metric: 'm', value, ts: at * 1000 }),
    );
    const bytes = encodeBatch(readingsBatch(readings));
    for (let offset = 0; offset < 8; offset++) {
      const memory = Buffer.alloc(bytes.length + 8);
      memory.set(bytes, offset);
      expect(decodedReadings(memory.subarray(offset, offset + bytes.length))).toStrictEqual(readings);
    }
  });

  test('re-cut: the slices of a batch carry the same items under the same numbers', () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 40 }), fc.nat(), (readings, cut) => {
        const columns = columnsOf(readings);
        const at = 1 + (cut % (readings.length - 1));
        const parts = [sliceColumns(columns, 0, at), sliceColumns(columns, at, readings.length)];
        const starts = [0, at];
        const said = parts.flatMap((part, i) => {
          const count = part.index.length;
          const bytes = encodeBatch({ kind: 'readings', epoch: 'e', seq: starts[i]!, count, columns: part });
          expect(decodeBatch(bytes).seq).toBe(starts[i]);
          return decodedReadings(bytes);
        });
        expect(said).toStrictEqual(readings);
      }),
      { numRuns: 50 },
    );
  });
});

describe('columns are as narrow as their numbers allow, exactly', () => {
  const bytesPerReading = (values: number[], stepMs = 1000) => {
    const batch = (count: number) =>
      encodeBatch(
        readingsBatch(
          values.slice(0, count).map((value, at) => ({ sensor: 's', metric: 'm', value, ts: 1e12 + at * stepMs })),
        ),
      ).length;
    return (batch(values.length) - batch(1)) / (values.length - 1);
  };
  const many = (make: (at: number) => number) => Array.from({ length: 1000 }, (_, at) => make(at));

  test.each([
    ['a constant', many(() => 21.3), 0.02],
    ['small whole numbers', many((at) => at % 100), 1.02],
    ['whole numbers of 16 bits', many((at) => at * 30), 2.02],
    ['whole numbers of 32 bits', many((at) => at * 2_000_000), 4.02],
    ['halves', many((at) => at / 2), 4.02],
    ['tenths', many((at) => at / 10), 8.02],
  ])('%s', (_name, values, bytesMax) => {
    expect(bytesPerReading(values)).toBeLessThanOrEqual(bytesMax);
  });

  test('a state word is sent once, however often it was read', () => {
    const readings = many((at) => at).map(
      (at): Reading => ({ sensor: 'd', metric: 's', value: at % 2 ? 'open' : 'closed', ts: at }),
    );
    const batch = readingsBatch(readings);
    expect(batch.kind === 'readings' && batch.columns.strings).toEqual(['closed', 'open']);
    expect(decodedReadings(encodeBatch(batch))).toStrictEqual(readings);
  });
});

test('readings that were numbered anew say in which generation; a word that is none is refused', () => {
  const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5 }]);
  const batch: Batch = { kind: 'readings', epoch: 'l.r', seq: 7, count: 1, generation: 'r_2', columns };
  expect(decodeBatch(encodeBatch(batch))).toEqual(batch);
  const { generation: _, ...plain } = batch;
  expect(decodeBatch(encodeBatch(plain))).not.toHaveProperty('generation');
  for (const generation of ['', 'r/2', 'x'.repeat(49)]) {
    expect(() => decodeBatch(encodeBatch({ ...batch, generation }))).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    );
  }
});

test('a batch of another version is refused as such, before anything else is looked at', () => {
  const batch = encodeBatch(readingsBatch([{ sensor: 's', metric: 'm', value: 1, ts: 1 }]));
  const versionAt = batch.indexOf(0x76) + 1;
  batch[versionAt] = 3;
  expect(() => decodeBatch(batch)).toThrow(expect.objectContaining({ code: 'version' }) as BatchError);
  expect(() => decodeBatch(batch)).toThrow('batch version 3, this end speaks up to 2');
});

describe('a batch of reports', () => {
  const done = (n: number): Report => ({ type: 'command-done', id: `c${n}`, ts: n, outcome: 'done' });
  const sent = (...reports: unknown[]) =>
    decodeBatch(
      encodeBatch({ kind: 'reports', epoch: 'e', seq: 7, count: reports.length, reports: reports as Report[] }),
    ) as Batch & { kind: 'reports' };

  test('says at the hub what it said at the edge', () => {
    const detail = fc.string({ unit: 'grapheme', maxLength: 500 }).filter((text) => text.length <= 500);
    const report: fc.Arbitrary<Report> = fc.record(
      {
        type: fc.constant('command-done' as const),
        id: fc.string({ minLength: 1, maxLength: 100 }),
        ts,
        outcome: fc.constantFrom(...COMMAND_OUTCOMES),
        detail,
      },
      { requiredKeys: ['type', 'id', 'ts', 'outcome'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(report, { minLength: 1, maxLength: 8 }), (reports) => {
        expect(sent(...reports)).toStrictEqual({ kind: 'reports', epoch: 'e', seq: 7, count: reports.length, reports });
      }),
    );
  });

  test('loses none to one of a later version, or to one that is wrong: those are left out, each with its reason', () => {
    const nested = { ...done(3), detail: JSON.parse(`${'['.repeat(20)}${']'.repeat(20)}`) };
    const batch = sent(done(0), { type: 'battery', level: 3 }, { ...done(2), outcome: 'maybe' }, nested, 7, done(5));
    expect(batch).toMatchObject({ count: 6, reports: [done(0), done(5)] });
    expect(batch.refused?.map(({ at, reason, detail }) => [at, reason, detail.slice(0, 40)])).toEqual([
      [1, 'unknown-type', 'r.1: a report of type "battery"'],
      [2, 'value', expect.stringMatching(/^r\.2: outcome: /)],
      [3, 'value', 'r.3: JSON nested deeper than 16'],
      [4, 'value', expect.stringMatching(/^r\.4: /)],
    ]);
    expect(reportsBetween(batch, 1, 6)).toEqual([done(5)]);
  });

  test('a report of one byte too many is left out', () => {
    const sized = (bytes: number) => ({ ...done(0), more: 'x'.repeat(bytes - JSON.stringify(done(0)).length - 10) });
    expect(JSON.stringify(sized(REPORT_BYTES_MAX)).length).toBe(REPORT_BYTES_MAX);
    expect(sent(sized(REPORT_BYTES_MAX)).refused).toBeUndefined();
    expect(sent(sized(REPORT_BYTES_MAX + 1)).refused).toMatchObject([{ at: 0, reason: 'value' }]);
  });
});

describe('one bad alert takes no other with it', () => {
  test('it is kept aside with the field that is wrong, and those around it are taken', () => {
    const [first, last] = fc.sample(transition, { numRuns: 2, seed: 1 }) as [AlertTransition, AlertTransition];
    const bad = { ...first, severity: 'loud' } as unknown as AlertTransition;
    expect(alertTransitionSchema.safeParse(bad).success).toBe(false);
    const bytes = encodeBatch({ kind: 'alerts', epoch: 'e', seq: 7, count: 3, alerts: [first, bad, last] });
    const batch = decodeBatch(bytes) as Batch & { kind: 'alerts' };
    expect(batch).toMatchObject({ seq: 7, count: 3, alerts: [first, last] });
    expect(batch.refused).toEqual([
      { at: 1, reason: 'value', detail: expect.stringMatching(/^a\.1\.severity: /), content: expect.any(Uint8Array) },
    ]);
    expect(decodeCbor(batch.refused![0]!.content, { depthMax: 5, itemsMax: 100 })).toEqual(bad);
  });

  test('the others keep their numbers, wherever the batch is cut', () => {
    const isGood = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
    const good = fc.sample(transition, { numRuns: 1, seed: 1 })[0]!;
    fc.assert(
      fc.property(isGood, fc.nat(12), fc.nat(12), (kinds, a, b) => {
        const [from, to] = [Math.min(a, b, kinds.length), Math.min(Math.max(a, b), kinds.length)];
        const sent = kinds.map((isGood, at) => ({ ...good, seq: isGood ? at + 1 : 0 }));
        const batch = decodeBatch(
          encodeBatch({ kind: 'alerts', epoch: 'e', seq: 0, count: sent.length, alerts: sent }),
        ) as Batch & { kind: 'alerts' };
        expect(batch.count).toBe(kinds.length);
        expect(alertsBetween(batch, from, to)).toEqual(sent.slice(from, to).filter(({ seq }) => seq > 0));
      }),
    );
  });
});
