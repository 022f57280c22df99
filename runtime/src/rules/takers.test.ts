import { rulePlan, ruleSchema } from '@weir/protocols';
import { expect, test } from 'vitest';
import type { SubjectFold } from './episode/subject.ts';
import { Routes } from './routes.ts';
import { Takers } from './takers.ts';

const plan = rulePlan(ruleSchema.parse({ name: 'hot', sensor: 'oven*', metric: 'temperature', above: 80 }));
const series = { device: 'gw1', sensor: 'oven1', metric: 'temperature' };
const subject = { key: 'oven1/temperature' } as SubjectFold;

const takers = () => new Takers(new Routes(plan, [{ sensor: 'oven*', metric: 'temperature' }]));

test('who takes a series is found once, and again when subjects have gone', () => {
  const all = takers();
  let found = 0;
  const find = () => {
    found++;
    return subject;
  };
  expect(all.of(series, find)).toEqual({ subject, isShared: false });
  // As the next batch has it: the same names in another object.
  expect(all.of({ ...series }, find)).toBe(all.of(series, find));
  expect(found).toBe(1);
  for (const other of [{ device: 'gw2' }, { sensor: 'oven2' }]) all.of({ ...series, ...other }, find);
  expect(found).toBe(3);
  all.clear();
  all.of(series, find);
  expect(found).toBe(4);
});

test('for whom there was no room is looked for each time; whom nobody takes is known', () => {
  const all = takers();
  expect(all.of(series, () => undefined).subject).toBeUndefined();
  expect(all.of(series, () => subject).subject).toBe(subject);
  expect(all.of({ ...series, sensor: 'door' }, () => expect.fail('not its own'))).toMatchObject({ isShared: false });
});
