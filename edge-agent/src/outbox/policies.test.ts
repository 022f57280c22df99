import { expect, test } from 'vitest';
import { outboxLimits } from '../spool/spool.fixture.ts';
import { type DropPolicy, LanePolicies, type MetricPolicy } from './policies.ts';

const SPAN = { every: 60_000, everyMax: 3_600_000 };

function policies(policy: DropPolicy, ...metrics: MetricPolicy[]): LanePolicies {
  return new LanePolicies({ ...outboxLimits().lanes.live, policy, metrics }, SPAN);
}

test.each([
  ['temperature', 'temperature', true],
  ['temperature', 'temperature_in', false],
  ['vibration*', 'vibration_rms', true],
  ['*.rms', 'x.rms', true],
  ['*.rms', 'xarms', false],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['a+(b)', 'a+(b)', true],
  ['*', 'anything\nat all', true],
  ['**', '', true],
])('the pattern %s and the metric %s: %s', (metric, name, fits) => {
  const found = policies('drop-oldest', { metric, policy: 'drop-newest' }).policyOf(name);
  expect(found).toBe(fits ? 'drop-newest' : 'drop-oldest');
});

test('the first pattern that fits counts', () => {
  const found = policies(
    'drop-oldest',
    { metric: 'v_rms', policy: 'drop-newest' },
    { metric: 'v*', policy: 'downsample' },
  );
  expect(['v_rms', 'v_peak', 'level'].map((name) => found.policyOf(name))).toEqual([
    'drop-newest',
    'downsample',
    'drop-oldest',
  ]);
});

test('the interval doubles level by level up to its bound; what has a longer one of its own keeps that', () => {
  const found = policies('downsample', { metric: 'rare', policy: 'downsample', every: 7_200_000 });
  const minutes = (metric: string) =>
    Array.from({ length: found.levels }, (_, level) => found.intervalOf(metric, level)! / 60_000);
  expect(minutes('often')).toEqual([1, 2, 4, 8, 16, 32, 60]);
  expect(minutes('rare')).toEqual([120, 120, 120, 120, 120, 120, 120]);
});

test('what is not thinned out has no interval', () => {
  const found = policies('drop-oldest', { metric: 'v*', policy: 'downsample', every: 1_000 });
  expect(found.intervalOf('level', 0)).toBeUndefined();
  expect(found.levels).toBe(13);
});
