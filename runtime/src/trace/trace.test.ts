import { readFileSync } from 'node:fs';
import { columnsOf, encodeTrace, type Reading, readingsOf } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import type { TraceOptions } from './fields.ts';
import { readTrace, tracePartsOf } from './trace.ts';

const T0 = Date.UTC(2013, 11, 2, 21, 15);
const bytes = (text: string) => new TextEncoder().encode(text);
const oven = (value: Reading['value'], ts = T0): Reading => ({ sensor: 'oven1', metric: 'temperature', value, ts });

describe('what a trace says', () => {
  const reads = (title: string, name: string, text: string, expected: Reading[], options: TraceOptions = {}) =>
    test(title, () => expect(readTrace(name, bytes(text), options)).toEqual(expected));

  reads(
    'CSV with all columns, in any order, quoted or not',
    't.csv',
    'sensor,Metric,TS,unit,value\noven1,temperature,1386018900000,Cel,73.5\r\n"door","state",2013-12-02T21:15:00Z,,"open, wide ""very"""\n\n',
    [
      { ...oven(73.5), unit: 'Cel' },
      { sensor: 'door', metric: 'state', value: 'open, wide "very"', ts: T0 },
    ],
  );
  reads(
    'CSV of a data set that names neither sensor nor metric',
    't.csv',
    'timestamp,value\n2013-12-02 21:15:00,73.5\n2013-12-02,-1e3',
    [oven(73.5), oven(-1000, Date.UTC(2013, 11, 2))].map((reading) => ({ ...reading, unit: 'Cel' })),
    { sensor: 'oven1', metric: 'temperature', unit: 'Cel' },
  );
  reads(
    'CSV with a column for each metric; an empty cell is no reading',
    't.csv',
    'ts,sensor,temperature,door_open\n1386018900000,oven1,73.5,\n1386018901000,oven1,,TRUE',
    [oven(73.5), { ...oven(true, T0 + 1000), metric: 'door_open' }],
  );
  reads(
    'CSV with times in seconds since 1970, whole or not',
    't.csv',
    'time,value\n1386018900,1\n1386018900.25,2\n',
    [oven(1), oven(2, T0 + 250)],
    { sensor: 'oven1', metric: 'temperature' },
  );
  reads(
    'CSV with a mark of its order of bytes, with line ends of any system, and an empty cell, which is no reading',
    't.csv',
    '\uFEFFts,sensor,metric,value\r\n1386018900000,oven1,temperature,1\r1386018900000,oven1,temperature,\n1386018901000,oven1,temperature,2',
    [oven(1), oven(2, T0 + 1000)],
  );
  reads(
    'JSONL, one reading a line; a late one stays late',
    't.jsonl',
    `${JSON.stringify({ ...oven(1), quality: 'bad' })}\n{"value":"hot","ts":"2013-12-02T21:14:00+00:00"}\n`,
    [{ ...oven(1), quality: 'bad' }, oven('hot', T0 - 60_000)],
    { sensor: 'oven1', metric: 'temperature' },
  );

  test('CBOR', () => {
    const trace = encodeTrace([
      { kind: 'readings', epoch: 'e', seq: 0, count: 2, columns: columnsOf([oven(1), oven(2)]) },
      { kind: 'readings', epoch: 'e', seq: 2, count: 1, columns: columnsOf([oven(3)]) },
    ]);
    expect(readTrace('t.cbor', trace)).toEqual([oven(1), oven(2), oven(3)]);
  });

  test('a recorded data set as it was published', () => {
    const file = new URL('../../../devices/traces/machine_temperature.csv', import.meta.url);
    const readings = readTrace('t.csv', readFileSync(file), { sensor: 'oven1', metric: 'temperature' });
    expect([readings.length, readings[0]]).toEqual([22_695, oven(73.96732207)]);
  });
});

describe('what cannot be read is told with its file and line', () => {
  const refuses = (name: string, text: string | Uint8Array, message: string) =>
    test(message, () => {
      const read = () => readTrace(name, typeof text === 'string' ? bytes(text) : text, { sensor: 's', metric: 'm' });
      expect(read).toThrowError(
        expect.objectContaining({ code: 'trace-invalid', message: expect.stringContaining(message) }),
      );
    });
  refuses('t.csv', 'when,value\n1,2', 'a column ts or timestamp, and it names when, value');
  refuses('t.csv', '', 't.csv:1: the first line must name a column ts or timestamp, and it is empty');
  refuses('t.csv', '2026-01-01,2\n', 't.csv:1: the first line must name a column ts or timestamp, and it is a reading');
  refuses('t.csv', 'ts;value\n1;2', 't.csv:1: the cells are separated by ;, and commas are wanted');
  refuses('t.csv', 'ts\tvalue\n1\t2', 't.csv:1: the cells are separated by tabs, and commas are wanted');
  refuses('t.csv', 'ts,value,TS\n1,2,3', 't.csv:1: the column "ts" is there twice');
  refuses('t.csv', 'ts,Temperature (°C)\n', 't.csv:1: "Temperature (°C)" is no name of a metric');
  refuses('t.csv', 'ts,value\n1386018900000,"70,5"', 't.csv:2: 70,5 is no number here');
  refuses('t.csv', 'ts,value\n1386018900000,"1.070,5"', 't.csv:2: 1.070,5 is no number here');
  refuses('t.csv', 'ts,value\n1386018900000,"1,070.5"', 't.csv:2: 1,070.5 is no number here');
  refuses('t.csv', 'ts,value\n1386018900000,1 070', 't.csv:2: 1 070 is no number here');
  refuses('t.csv', 'ts,value\n01/02/2026 10:00,1', 't.csv:2: a time is wanted');
  refuses('t.csv', 'ts,value\n1386018900000000,1', 't.csv:2: a time is wanted');
  refuses('t.csv', 'ts,sensor\n1,2', 't.csv:1: the first line must name a column value, or metrics');
  refuses('t.csv', 'ts,value\n1386018900000,1,2', 't.csv:2: 3 cells, the header has 2');
  refuses('t.csv', 'ts,value\n\n1386018900000,NaN', 't.csv:3: NaN is no value');
  refuses(
    't.csv',
    'ts,value\nyesterday,1',
    't.csv:2: a time is wanted (ms or seconds since 1970, or ISO 8601), found "yesterday"',
  );
  refuses('t.csv', 'ts,sensor,value\n1386018900000,"a,1', 't.csv:2: a quote that is not closed');
  refuses('t.csv', 'ts,sensor,value\n1386018900000,a b,1', 't.csv:2: a sensor name is wanted, found "a b"');
  refuses('t.csv', 'ts,value\n', 't.csv: there is no reading in it');
  refuses('t.jsonl', '{"value":1,"ts":1}\n{"value":', 't.jsonl:2: ');
  refuses('t.jsonl', '3', 't.jsonl:1: a reading is a JSON object');
  refuses(
    't.jsonl',
    '{"value":[],"ts":1}',
    't.jsonl:1: a finite number, a boolean or a short text is wanted, found []',
  );
  refuses('t.jsonl', Uint8Array.of(0xff), 't.jsonl: it is not UTF-8');
  refuses('t.cbor', Uint8Array.of(0, 0, 0), 't.cbor: batch 1, from byte 0: bytes are missing');
  refuses('t.xml', '<a/>', 't.xml: what kind of trace is it?');
});

describe('part by part', () => {
  async function* cut(text: string, size: number) {
    const whole = bytes(text);
    for (let at = 0; at < whole.length; at += size) yield whole.slice(at, at + size);
  }
  const rows = Array.from({ length: 30_000 }, (_, i) => `${T0 + i},oven1,grün ${i}\r\n`);
  const csv = `\uFEFFts,sensor,state\r\n${rows.join('')}`;

  test('wherever its bytes are cut, a trace says the same, and no part has more than it may', async () => {
    const whole = readTrace('t.csv', bytes(csv));
    for (const size of [977, 65_536]) {
      const parts = await Array.fromAsync(tracePartsOf('t.csv', cut(csv, size)));
      expect(parts.map(({ ts }) => ts.length)).toEqual([20_000, 10_000]);
      expect(parts.flatMap((columns) => [...readingsOf(columns)])).toEqual(whole);
    }
  });

  test('a flaw is told with its line', async () => {
    const flawed = `${csv}${T0},oven1\r\n`;
    await expect(Array.fromAsync(tracePartsOf('t.csv', cut(flawed, 1_000)))).rejects.toThrow('t.csv:30002: 2 cells');
    await expect(Array.fromAsync(tracePartsOf('t.csv', cut('ts,a\n1\uFFFF', 3)))).rejects.toThrow('t.csv:2:');
  });
});
