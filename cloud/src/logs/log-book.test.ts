import type { LogReport } from '@weir/protocols';
import type { LogLine } from '@weir/runtime';
import { beforeEach, expect, test } from 'vitest';
import { LogBook, type LogEntry } from './log-book.ts';

let now: number;
let book: LogBook;
beforeEach(() => {
  now = 1_700_000_000_000;
  book = new LogBook(() => now);
});

const line = (text: string, fold = 'mean'): LogLine => ({ fold, level: 'info', text, ts: now });

function told(run: number, numbers: number[], fn = 'mean'): LogReport {
  const lines = numbers.map((n) => ({ function: fn, n, level: 'info' as const, text: `${n}`, ts: now }));
  return { type: 'log', id: 'x', ts: now, run, lines };
}

const texts = (entries: readonly LogEntry[]) => entries.map(({ text, left }) => (left > 0 ? `${left}! ${text}` : text));

test('lines that a device tells again are there once, what it left out shows, and another run begins anew', () => {
  book.told('gw1', told(1, [0, 1, 2]));
  book.told('gw1', told(1, [1, 2, 3, 6]));
  book.told('gw1', told(2, [0, 1]));
  expect(texts(book.lines({}))).toEqual(['0', '1', '2', '3', '2! 6', '0', '1']);
});

test('a clock that was set back is no reason to lose what the agent says after it', () => {
  book.told('gw1', told(5, [0]));
  book.told('gw1', told(4, [0, 1]));
  expect(texts(book.lines({}))).toEqual(['0', '0', '1']);
});

test('lines are found by device and by function, those of the hub beside those of devices', () => {
  book.told('gw1', told(1, [0]));
  book.told('gw2', told(1, [0]));
  book.add('gw1', [line('a'), line('b', 'rms')]);
  expect(texts(book.lines({ device: 'gw1' }))).toEqual(['0', 'a', 'b']);
  expect(texts(book.lines({ function: 'mean' }))).toEqual(['0', '0', 'a']);
  expect(texts(book.lines({ device: 'gw1', function: 'rms' }))).toEqual(['b']);
});

test('whoever follows hears each line that is wanted, until the end', () => {
  const heard: string[] = [];
  const end = book.follow({ function: 'mean' }, ({ text }) => heard.push(text));
  book.add('gw1', [line('a'), line('b', 'rms')]);
  book.told('gw2', told(1, [0]));
  end();
  book.add('gw1', [line('c')]);
  expect(heard).toEqual(['a', '0']);
});

test('a function in the hub that says too much is cut to a rate, and what was left out is counted', () => {
  book.add(
    'gw1',
    Array.from({ length: 50 }, (_, at) => line(`${at}`)),
  );
  now += 1_000;
  book.add('gw1', [line('after')]);
  expect(texts(book.lines({}))).toEqual([...Array.from({ length: 20 }, (_, at) => `${at}`), '30! after']);
});

test('of each function the last lines are kept, and of all functions no more than fits', () => {
  book.told(
    'gw1',
    told(
      1,
      Array.from({ length: 300 }, (_, at) => at),
    ),
  );
  expect(book.lines({}).length).toBe(200);
  expect(book.lines({})[0]!.text).toBe('100');
  const large = 'x'.repeat(2_000);
  for (let at = 0; at < 12_000; at++) {
    now += 100;
    book.add(`gw${at % 600}`, [line(large)]);
  }
  const chars = book.lines({}).reduce((sum, { text }) => sum + text.length, 0);
  expect(chars).toBeLessThan(16_000_000);
  expect(chars).toBeGreaterThan(14_000_000);
});
