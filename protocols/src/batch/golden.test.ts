/**
 * Bytes that stay what they are: devices in the field send them, stored history holds them. `golden/<name>.cbor` says
 * what `golden/<name>.json` says. A difference here is a new version of the batch, not a file to write again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Decoder } from 'cbor-x';
import { describe, expect, test } from 'vitest';
import type { AlertTransition } from '../alert/transition.ts';
import type { Reading } from '../reading.ts';
import type { Report } from '../report/report.ts';
import { type Batch, decodeBatch, encodeBatch } from './batch.ts';
import { columnsOf, readingsOf } from './columns.ts';

const FOLDER = new URL('../../golden/', import.meta.url);

type Said = { epoch: string; seq: number } & (
  | { kind: 'readings'; readings: Reading[] }
  | { kind: 'alerts'; alerts: AlertTransition[] }
  | { kind: 'reports'; reports: Report[] }
);

const golden = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.cbor'))
  .map((file) => ({
    name: file.slice(0, -'.cbor'.length),
    bytes: Uint8Array.from(readFileSync(new URL(file, FOLDER))),
    said: JSON.parse(readFileSync(new URL(file.replace('.cbor', '.json'), FOLDER), 'utf8')) as Said,
  }));

function toBatch(said: Said): Batch {
  const { epoch, seq } = said;
  if (said.kind === 'alerts') return { kind: 'alerts', epoch, seq, count: said.alerts.length, alerts: said.alerts };
  if (said.kind === 'reports')
    return { kind: 'reports', epoch, seq, count: said.reports.length, reports: said.reports };
  return { kind: 'readings', epoch, seq, count: said.readings.length, columns: columnsOf(said.readings) };
}

function toSaid(batch: Batch): Said {
  const { epoch, seq } = batch;
  if (batch.kind === 'alerts') return { kind: 'alerts', epoch, seq, alerts: batch.alerts };
  if (batch.kind === 'reports') return { kind: 'reports', epoch, seq, reports: batch.reports };
  return { kind: 'readings', epoch, seq, readings: [...readingsOf(batch.columns)] };
}

// `int64AsNumber` is missing in the types of cbor-x.
const judge = new Decoder({ mapsAsObjects: true, useRecords: false, int64AsNumber: true } as object);

interface Packed {
  k: number;
  b: number;
  f?: number;
  v: ArrayLike<number>;
  m?: ArrayLike<number>;
  u?: ArrayLike<number>;
  p?: ArrayLike<number>;
  y?: ArrayLike<number>;
}

const at = (column: ArrayLike<number>, i: number) => column[column.length === 1 ? 0 : i]!;

function packedAt(column: ArrayLike<number> | Packed, i: number): number {
  if ('length' in column) return at(column, i);
  const { k, b, f, v, m = [], u = [], p = [], y = [] } = column;
  const places = Array.from(p);
  if (places.includes(i)) return y[places.indexOf(i)]!;
  const besides = Array.from(m).indexOf(i);
  const beside = (number: number) => (besides < 0 ? number : doublesFurther(number, u[besides]!));
  if (f === undefined) return beside((b + at(v, i)) / 10 ** k);
  let q = f;
  for (let step = 1; step <= i; step++) if (!places.includes(step)) q += b + at(v, step - 1);
  return beside(q / 10 ** k);
}

function doublesFurther(number: number, steps: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(steps));
  return view.getFloat64(0);
}

/** As the specification says it, from what another CBOR library reads. */
function judged(name: string, bytes: Uint8Array): Said {
  const map = judge.decode(bytes);
  expect(map.v).toBe(map.n !== undefined && name.endsWith('-2') ? 2 : 1);
  if (map.a) return { kind: 'alerts', epoch: map.e, seq: map.q, alerts: map.a };
  if (map.r) {
    const reports = map.r.map((text: string) => JSON.parse(text));
    return { kind: 'reports', epoch: map.e, seq: map.q, reports };
  }
  const readings: Reading[] = [];
  const taken = map.s.map(() => 0);
  for (let i = 0, ts = map.t; i < map.n; i++) {
    const of = at(map.i, i);
    if (map.v === 2) ts = map.t + packedAt(map.d[of], taken[of]);
    else if (i > 0) ts += at(map.d, i - 1);
    const [sensor, metric, kind, unit, quality] = map.s[of];
    const x = map.v === 2 ? packedAt(map.x[of], taken[of]++) : at(map.x, i);
    const value = kind === 0 ? x : kind === 1 ? x === 1 : map.w[x];
    readings.push({ sensor, metric, value, ts, ...(unit ? { unit } : {}), ...(quality ? { quality } : {}) });
  }
  return { kind: 'readings', epoch: map.e, seq: map.q, readings };
}

test('there are golden bytes of readings, of alerts and of reports', () => {
  expect(golden.map(({ said }) => said.kind)).toEqual(expect.arrayContaining(['readings', 'alerts', 'reports']));
});

describe.each(golden)('$name', ({ name, bytes, said }) => {
  test('is read as what it says', () => {
    expect(toSaid(decodeBatch(bytes))).toStrictEqual(said);
  });

  test('is written with the very same bytes, unless it is of a version that is only read', () => {
    if (said.kind === 'readings' && !name.endsWith('-2')) return;
    expect(Buffer.from(encodeBatch(toBatch(said))).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
  });

  test('is read alike by an independent CBOR library that follows the specification', () => {
    expect(judged(name, bytes)).toEqual(said);
  });
});

test('the worked example of the specification is the golden batch of one sensor', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const example = /```hex\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const digits = example.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, '');
  const bytes = golden.find(({ name }) => name === 'one-sensor-2')?.bytes ?? [];
  expect(digits).toBe(Buffer.from(bytes).toString('hex'));
});
