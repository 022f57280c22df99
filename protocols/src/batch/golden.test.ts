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

/** As the specification says it, from what another CBOR library reads. */
function judged(bytes: Uint8Array): Said {
  const map = judge.decode(bytes);
  expect(map.v).toBe(1);
  if (map.a) return { kind: 'alerts', epoch: map.e, seq: map.q, alerts: map.a };
  if (map.r) {
    const reports = map.r.map((text: string) => JSON.parse(text));
    return { kind: 'reports', epoch: map.e, seq: map.q, reports };
  }
  const at = (column: ArrayLike<number>, i: number) => column[column.length === 1 ? 0 : i]!;
  const readings: Reading[] = [];
  for (let i = 0, ts = map.t; i < map.n; i++) {
    if (i > 0) ts += at(map.d, i - 1);
    const [sensor, metric, kind, unit, quality] = map.s[at(map.i, i)];
    const x = at(map.x, i);
    const value = kind === 0 ? x : kind === 1 ? x === 1 : map.w[x];
    readings.push({ sensor, metric, value, ts, ...(unit ? { unit } : {}), ...(quality ? { quality } : {}) });
  }
  return { kind: 'readings', epoch: map.e, seq: map.q, readings };
}

test('there are golden bytes of readings, of alerts and of reports', () => {
  expect(golden.map(({ said }) => said.kind)).toEqual(expect.arrayContaining(['readings', 'alerts', 'reports']));
});

describe.each(golden)('$name', ({ bytes, said }) => {
  test('is read as what it says', () => {
    expect(toSaid(decodeBatch(bytes))).toStrictEqual(said);
  });

  test('is written with the very same bytes', () => {
    expect(Buffer.from(encodeBatch(toBatch(said))).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
  });

  test('is read alike by an independent CBOR library that follows the specification', () => {
    expect(judged(bytes)).toEqual(said);
  });
});

test('the worked example of the specification is the golden batch of one sensor', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const example = /```hex\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const digits = example.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, '');
  const bytes = golden.find(({ name }) => name === 'one-sensor')?.bytes ?? [];
  expect(digits).toBe(Buffer.from(bytes).toString('hex'));
});
