import { describe, expect, test } from 'vitest';
import { type RuleInput, ruleSchema } from './rule.ts';
import { transitionKey } from './transition.ts';

const issues = (rule: object) => {
  const result = ruleSchema.safeParse({ name: 'oven-hot', metric: 'temperature', ...rule });
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
};

test('a rule is filled in: every sensor, at once, a warning', () => {
  const rule: RuleInput = { name: 'oven-hot', metric: 'temperature', above: 80 };
  expect(ruleSchema.parse(rule)).toEqual({ ...rule, sensor: '*', for: 0, severity: 'warning' });
});

describe('a level, with its clear level on the safe side', () => {
  test.each<[object, number]>([
    [{ above: 80 }, 0],
    [{ above: 80, clear: 75 }, 0],
    [{ above: 80, clear: 80 }, 0],
    [{ above: 80, clear: 81 }, 1],
    [{ above: 80, clear: [70, 75] }, 1],
    [{ below: 2, clear: 4 }, 0],
    [{ below: 2, clear: 1 }, 1],
    [{ below: -0, clear: 0 }, 0],
    [{ outside: [2, 8] }, 0],
    [{ outside: [2, 8], clear: [3, 7] }, 0],
    [{ outside: [2, 8], clear: [2, 8] }, 0],
    [{ outside: [2, 8], clear: [1, 7] }, 1],
    [{ outside: [2, 8], clear: [3, 9] }, 1],
    [{ outside: [2, 8], clear: 5 }, 1],
    [{ outside: [8, 2] }, 1],
    [{ outside: [2, 2] }, 1],
    [{}, 1],
    [{ above: 80, below: 2 }, 1],
    [{ above: Number.NaN }, 1],
    [{ above: Number.POSITIVE_INFINITY }, 1],
    [{ above: '80' }, 1],
  ])('%j: %i issues', (levels, count) => {
    expect(issues(levels), issues(levels).join('; ')).toHaveLength(count);
  });
});

describe('how long', () => {
  test.each<[unknown, number | undefined]>([
    ['10s', 10_000],
    [250, 250],
    ['0.5s', 500],
    [-1, undefined],
    ['soon', undefined],
    [1.5, undefined],
  ])('for: %j', (text, ms) => {
    const result = ruleSchema.safeParse({ name: 'r', metric: 'm', above: 1, for: text });
    expect(result.data?.for).toBe(ms);
  });
});

test('a misspelt key is refused, so that no rule is silently half of what was meant', () => {
  expect(issues({ above: 80, cleared: 75 }).join()).toContain('cleared');
});

test('a name or pattern that no topic can have is refused', () => {
  expect(issues({ above: 80, sensor: 'oven/1' })).toHaveLength(1);
  expect(issues({ above: 80, sensor: 'oven*' })).toEqual([]);
  expect(issues({ above: 80, name: '__proto__' })).toHaveLength(1);
});

test('one transition, one key', () => {
  expect(transitionKey({ episode: '0a1b2c3d', seq: 2 })).toBe('0a1b2c3d-2');
});

test('what is nested without end is refused, and not by a stack that is full', () => {
  let when: object = { above: 1 };
  for (let n = 0; n < 20_000; n++) when = { all: [when] };
  expect(issues({ when }).join()).toContain('a tree of more than 6 levels');
});
