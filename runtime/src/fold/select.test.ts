import { columnsOf, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { globMatches, SeriesFilter } from './select.ts';

test('a glob matches whole names', () => {
  const check = (glob: string, name: string, expected: boolean) =>
    expect([glob, name, globMatches(glob, name)]).toEqual([glob, name, expected]);
  check('*', 'anything', true);
  check('oven*', 'oven1', true);
  check('oven*', 'oven', true);
  check('oven*', 'my-oven1', false);
  check('*_avg', 'temperature_avg', true);
  check('a*b*c', 'a1b2c', true);
  check('a*b*c', 'acb', false);
  check('aa*aa', 'aaa', false);
  check('temp.x', 'tempyx', false);
});

test('only the readings asked for are handed over, values and texts intact', () => {
  const columns = columnsOf([
    { sensor: 'oven1', metric: 'temperature', value: 81, ts: 1 },
    { sensor: 'door', metric: 'state', value: 'open', ts: 2 },
    { sensor: 'oven2', metric: 'temperature', value: 70, ts: 3 },
  ]);
  const select = (sensor: string) => {
    const selected = new SeriesFilter([{ sensor, metric: '*' }]).select(columns);
    return selected && [...readingsOf(selected)].map(({ value }) => value);
  };
  expect(select('*')).toEqual([81, 'open', 70]);
  expect(select('oven*')).toEqual([81, 70]);
  expect(select('door')).toEqual(['open']);
  expect(select('none')).toBeUndefined();
});
