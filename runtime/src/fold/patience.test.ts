import { expect, test } from 'vitest';
import { Patience } from './patience.ts';

/** As after a restart. */
const restarted = (patience: Patience, version = 'v') => new Patience(version, patience.state);

test('whatever restarts in between, the third step in a row that had to be stopped is enough', () => {
  let patience = new Patience('v', undefined);
  expect(patience.strike('timed-out: loop', false)).toBeUndefined();
  patience = restarted(patience);
  expect(patience.strike('timed-out: loop', false)).toBeUndefined();
  patience = restarted(patience);
  expect(patience.strike('timed-out: loop', false)).toMatch(/^3 steps in a row .*loop/);
});

test('a version that takes its process along now and then is stopped, though no two such steps follow one another', () => {
  let patience = new Patience('v', undefined);
  for (let crash = 1; crash < 5; crash++) {
    expect(patience.strike('crashed: died', true)).toBeUndefined();
    patience.cameBack();
    patience.threw(false);
    patience = restarted(patience);
  }
  expect(patience.strike('crashed: died', true)).toMatch(/sandbox process died with 5/);
});

test('a crash in a month is forgiven, and what is all right leaves nothing to be kept', () => {
  const patience = new Patience('v', undefined);
  for (let crash = 0; crash < 20; crash++) {
    expect(patience.strike('crashed: died', true)).toBeUndefined();
    for (let step = 0; step < 1_000; step++) patience.cameBack();
  }
  expect(patience.state).toBeUndefined();
  patience.changed = false;
  patience.cameBack();
  expect(patience.changed).toBe(false);
});

test('another version, or configuration, has done nothing wrong yet', () => {
  const patience = new Patience('v', undefined);
  for (let step = 0; step < 9; step++) patience.threw(true);
  expect(restarted(patience).threw(true)).toBe(true);
  expect(restarted(patience, 'w').threw(true)).toBe(false);
});
