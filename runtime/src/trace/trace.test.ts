import { readFileSync } from 'node:fs';
import { columnsOf, encodeTrace, type Reading } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import type { TraceOptions } from './fields.ts';
import { readTrace } from './trace.ts';

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
  refuses('t.csv', 'time,value\n1,2', 't.csv:1: the first line must name a column ts or timestamp');
  refuses('t.csv', 'ts,sensor\n1,2', 't.csv:1: the first line must name a column value, or metrics');
  refuses('t.csv', 'ts,value\n1386018900000,1,2', 't.csv:2: 3 cells, the header has 2');
  refuses('t.csv', 'ts,value\n\n1386018900000,NaN', 't.csv:3: NaN is no value');
  refuses(
    't.csv',
    'ts,value\n1386018900000,',
    't.csv:2: a finite number, a boolean or a short text is wanted, found nothing',
  );
  refuses(
    't.csv',
    'ts,value\nyesterday,1',
    't.csv:2: a time is wanted (ms since 1970, or ISO 8601), found "yesterday"',
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
