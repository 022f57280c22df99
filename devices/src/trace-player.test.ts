import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { playTrace, readTrace, type TraceRow } from './trace-player.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

function traceFile(text: string): string {
  const file = join(folder, `${crypto.randomUUID()}.csv`);
  writeFileSync(file, text);
  return file;
}

const rowsOf = (text: string): Promise<TraceRow[]> => Array.fromAsync(readTrace(traceFile(text)));

test('the machine temperature trace is read whole, with its times as UTC', async () => {
  const file = fileURLToPath(new URL('../traces/machine_temperature.csv', import.meta.url));
  const rows = await Array.fromAsync(readTrace(file));
  expect(rows).toHaveLength(22_695);
  expect(rows[0]).toEqual({ ts: Date.parse('2013-12-02T21:15:00Z'), value: 73.96732207 });
});

describe('times are read as recorders write them', () => {
  test.each([
    ['2013-12-02 21:15:00', '2013-12-02T21:15:00Z'],
    ['2013-12-02T21:15', '2013-12-02T21:15:00Z'],
    ['2013-12-02T21:15:00.250', '2013-12-02T21:15:00.250Z'],
    ['2013-12-02T22:15:00+01:00', '2013-12-02T21:15:00Z'],
    ['1386018900000', '2013-12-02T21:15:00Z'],
  ])('%s', async (text, utc) => {
    expect(await rowsOf(`timestamp,value\n${text},1\n`)).toEqual([{ ts: Date.parse(utc), value: 1 }]);
  });

  test('other columns, blank lines and carriage returns do not matter', async () => {
    const text = 'id,Value, Timestamp\r\n1,5.5,2013-12-02 21:15:00\r\n\r\n2,6,2013-12-02 21:20:00\r\n';
    expect((await rowsOf(text)).map(({ value }) => value)).toEqual([5.5, 6]);
  });
});

describe('a trace that cannot be read says where', () => {
  test.each([
    ['', 'header', /is empty/],
    ['time,temperature\n1,2\n', 'header', /first line must name the columns timestamp and value/],
    ['timestamp,value\n2013-12-02 21:15:00,1\nyesterday,2\n', 'row', /line 3: "yesterday" is no time/],
    ['timestamp,value\n2013-12-02 21:15:00,\n', 'row', /line 2: "" is no number/],
    ['timestamp,value\n2013-12-02 21:15:00,NaN\n', 'row', /line 2: "NaN" is no number/],
    ['timestamp,value\n2013-12-02 21:15:00\n', 'row', /line 2: "" is no number/],
  ])('%j', async (text, code, message) => {
    await expect(rowsOf(text)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test('a file that is not there', async () => {
    const reading = Array.fromAsync(readTrace(join(folder, 'none.csv')));
    await expect(reading).rejects.toMatchObject({ code: 'unreadable', message: expect.stringContaining('ENOENT') });
  });
});

describe('played', () => {
  async function* rows(): AsyncGenerator<TraceRow> {
    yield { ts: 1000, value: 1 };
    yield { ts: 301_000, value: 2 };
  }
  const play = { sensor: 's', metric: 'm', speed: 300, startTs: 1_700_000_000_000 };

  test('the gaps shrink with the speed, and the times are those of playing', async () => {
    expect(await Array.fromAsync(playTrace(rows(), { ...play, unit: 'Cel' }))).toEqual([
      { dueTs: play.startTs, reading: { sensor: 's', metric: 'm', value: 1, ts: play.startTs, unit: 'Cel' } },
      {
        dueTs: play.startTs + 1000,
        reading: { sensor: 's', metric: 'm', value: 2, ts: play.startTs + 1000, unit: 'Cel' },
      },
    ]);
  });

  test('on request the times stay as they were recorded', async () => {
    const due = await Array.fromAsync(playTrace(rows(), { ...play, originalTime: true }));
    expect(due.map(({ dueTs, reading }) => [dueTs, reading.ts])).toEqual([
      [play.startTs, 1000],
      [play.startTs + 1000, 301_000],
    ]);
  });
});
