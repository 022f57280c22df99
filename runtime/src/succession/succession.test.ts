import { expect, test } from 'vitest';
import type { FoldStatus } from '../fold/fold.ts';
import { reportOf } from './report.ts';
import {
  type Failure,
  fallBack,
  GOOD_MS,
  GOOD_STEPS,
  isProven,
  refuse,
  type Succession,
  savesState,
  takeOver,
  wantedAgain,
} from './succession.ts';

const named = (hash: string) => ({ name: 'f', hash, config: '{}' });
const good = (hash: string): Succession<string> => ({ ...named(hash), quarantined: null, proven: true });
const why = (version: string, state: Failure['state'] = 'quarantined'): Failure => ({
  version,
  state,
  reason: version,
});
const status = (over: Partial<FoldStatus> = {}): FoldStatus => ({
  name: 'f',
  kind: 'function',
  version: '1',
  hash: 'a',
  state: 'running',
  errors: 0,
  steps: 0,
  readings: 0,
  ...over,
});

test('what is taken over from is the last good only if it was: else the one before it is', () => {
  const second = takeOver(good('a'), named('b'));
  expect(second.lastGood).toEqual({ hash: 'a', config: '{}' });
  expect(savesState(good('a'), second)).toBe(true);
  const third = takeOver(second, named('c'));
  expect(third.lastGood).toEqual({ hash: 'a', config: '{}' });
  expect(savesState(second, third)).toBe(false);
  expect(takeOver(undefined, named('a'))).not.toHaveProperty('lastGood');
  expect(takeOver({ ...good('a'), quarantined: 'it looped later' }, named('b'))).not.toHaveProperty('lastGood');
  const proven = takeOver({ ...second, proven: true }, named('c'));
  expect(proven.lastGood).toEqual({ hash: 'b', config: '{}' });
});

test('a fall uses up the last good, so that falls come to an end', () => {
  const fallen = fallBack(takeOver(good('a'), named('b')), why('2'))!;
  expect(fallen).toEqual({ ...good('a'), failed: { hash: 'b', config: '{}', ...why('2') } });
  expect(fallBack(fallen, why('1'))).toBeUndefined();
});

test('what is wanted stays what is told as failed, also when what went on in its place falls as well', () => {
  const refused = refuse(takeOver(good('a'), named('b')), takeOver(undefined, named('c')), why('3', 'failed'));
  expect(refused).toMatchObject({ hash: 'b', lastGood: { hash: 'a' }, failed: { hash: 'c' } });
  expect(fallBack(refused, why('2'))).toMatchObject({ hash: 'a', failed: { hash: 'c', version: '3' } });
});

test('nothing has failed any more once what runs is wanted', () => {
  const fallen = fallBack(takeOver(good('a'), named('b')), why('2'))!;
  expect(wantedAgain(fallen, undefined)).toEqual(good('a'));
  expect(wantedAgain(fallen, 7)).toEqual({ ...good('a'), wish: 7 });
});

test.each<[string, Partial<FoldStatus>, number, boolean]>([
  ['ten steps that went well', { stepsWell: GOOD_STEPS, errors: 3 }, 0, true],
  ['nine of them', { stepsWell: GOOD_STEPS - 1, errors: 3 }, 0, false],
  ['ten minutes without a fault', { stepsWell: 1 }, GOOD_MS, true],
  ['a minute less', { stepsWell: 1 }, GOOD_MS - 60_000, false],
  ['ten minutes with a fault', { stepsWell: 9, errors: 1 }, GOOD_MS, false],
  ['a stop', { stepsWell: GOOD_STEPS, state: 'quarantined' }, GOOD_MS, false],
  ['a rule, to which nobody has to go back', { stepsWell: GOOD_STEPS, kind: 'rule' }, GOOD_MS, false],
])('%s: proven or not', (_what, over, ranMs, expected) => {
  expect(isProven(status(over), ranMs)).toBe(expected);
});

test('a report says what is wanted, why it does not run, and what does', () => {
  const wanted = { kind: 'function', version: '2', hash: 'b' } as const;
  expect(reportOf(wanted, undefined, undefined)).toEqual({ ...wanted, state: 'fetching' });
  expect(reportOf(wanted, status({ hash: 'b', errors: 2, reason: 'r' }), undefined)).toEqual({
    ...wanted,
    state: 'running',
    errors: 2,
    reason: 'r',
  });
  const entry = { entry: 't: none', taken: 4, forwarded: 0 };
  const forwarding = { entries: [entry, { entry: 'u: all', taken: 2, forwarded: 2 }], series: 0, windows: 0 };
  expect(reportOf(wanted, status({ hash: 'b', forwarding }), undefined)).toMatchObject({
    forwarding: { taken: 6, sent: 2 },
  });
  const failed = { state: 'quarantined', reason: 'x'.repeat(400) } as const;
  expect(reportOf(wanted, status(), failed)).toEqual({
    ...wanted,
    state: 'quarantined',
    reason: 'x'.repeat(300),
    running: { version: '1', hash: 'a' },
  });
  const both = reportOf(wanted, status({ state: 'quarantined', reason: 'y'.repeat(400) }), failed);
  expect(both.reason).toMatch(/^x{100,}; 1, in its place, is quarantined too: y{90,}$/);
  expect(both.reason!.length).toBeLessThanOrEqual(300);
  expect(both).not.toHaveProperty('running');
});
