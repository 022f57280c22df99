import { describe, expect, test } from 'vitest';
import { readOffset, readSeries } from './notation.ts';

const values = (text: string) => readSeries(text).values.map(({ slot, value }) => `${slot}:${JSON.stringify(value)}`);

describe('one word for each interval', () => {
  test.each<[string, string[], number]>([
    ['70 72', ['0:70', '1:72'], 2],
    ['70+5x3', ['0:70', '1:75', '2:80', '3:85'], 4],
    ['70-2.5x2', ['0:70', '1:67.5', '2:65'], 3],
    ['-1+1x2', ['0:-1', '1:0', '2:1'], 3],
    ['0.1+0.1x2', ['0:0.1', '1:0.2', '2:0.3'], 3],
    ['81x2 _ 60', ['0:81', '1:81', '3:60'], 4],
    ['1 _x3', ['0:1'], 4],
    ['1e3', ['0:1000'], 1],
    ['true false truex2', ['0:true', '1:false', '2:true', '3:true'], 4],
    ['open "two words" "on"x2', ['0:"open"', '1:"two words"', '2:"on"', '3:"on"'], 4],
    ['', [], 0],
  ])('%s', (text, expected, slots) => {
    expect(values(text)).toEqual(expected);
    expect(readSeries(text).slots).toBe(slots);
  });

  test('a value says of when it is, and of which quality', () => {
    expect(readSeries('85@20s 75!bad 60!clock@-5s').values).toEqual([
      { slot: 0, value: 85, ofMs: 20_000 },
      { slot: 1, value: 75, quality: 'bad' },
      { slot: 2, value: 60, quality: 'clock', ofMs: -5_000 },
    ]);
  });

  test.each<[string, string]>([
    ['NaN', 'write _'],
    ['70+5*3', 'is no value'],
    ['70+5x', 'is no run of values'],
    ['70 85@soon', 'is no time'],
    ['70x99999999', 'over 100000 intervals'],
    ['_x99999999', 'over 100000 intervals'],
  ])('%s is refused: %s', (text, message) => {
    expect(() => readSeries(text)).toThrow(message);
  });
});

test.each<[string | number, number]>([
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['-5s', -5_000],
  [0, 0],
  ['250ms', 250],
])('the time %s', (text, ms) => expect(readOffset(text)).toBe(ms));

test.each(['', '5', 'soon', '5s later', '1m 30', 90])('%j is no time', (text) => {
  expect(() => readOffset(text)).toThrow('is no time');
});
