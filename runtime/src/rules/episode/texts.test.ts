import { type JsonObject, rulePlan, ruleSchema } from '@weir/protocols';
import { expect, test } from 'vitest';
import { endText, type Named, summaryText } from './texts.ts';

const adaptive = { adaptive: { learn: '3d' } };
const planOf = (rule: JsonObject) =>
  rulePlan(ruleSchema.parse({ name: 'r', sensor: 'oven1', metric: 'vibration', ...rule }));
const named = (facts: Named['facts']): Named => ({
  device: 'gw1',
  sensor: 'oven1',
  metric: 'vibration',
  unit: 'g',
  facts,
});

test('a level and a count that follow one another are told apart', () => {
  const rule = { above: 3, matches: { times: 2, of: 3 } };
  const once = planOf({ above: 3, matches: { times: 1, within: '10m' } });
  expect(summaryText(once, 0, named({ value: 4, level: 3 }))).toBe('oven1 vibration is 4 g, above 3, once in 10m');
  expect(summaryText(planOf(rule), 0, named({ value: 4, level: 3 }))).toBe(
    'oven1 vibration is 4 g, above 3, 2 times in the last 3 readings',
  );
});

test.each<[string, Named['facts'], string, string]>([
  [
    'a value',
    { value: 9, level: 5, peak: 9 },
    'oven1 vibration is 9 g, unusual, expected within 5',
    'oven1 vibration is back at 9 g, was unusual, expected within 5',
  ],
  [
    'a spread',
    { value: 3.2, level: 1.1, manner: 'unsteady', peak: 3.2, peakManner: 'unsteady' },
    'oven1 vibration goes to and fro by 3.2 g, unusual, expected within 1.1',
    'oven1 vibration goes to and fro only by 3.2 g, was unusual, expected within 1.1; at its worst it went to and fro by 3.2 g',
  ],
  [
    'a value again, of what was a spread at its worst',
    { value: 2, level: 5, peak: 3.2, peakManner: 'unsteady' },
    'oven1 vibration is 2 g, unusual, expected within 5; at its worst it went to and fro by 3.2 g',
    'oven1 vibration is back at 2 g, was unusual, expected within 5; at its worst it went to and fro by 3.2 g',
  ],
  [
    'what stands still',
    { value: 2, level: 2, manner: 'stuck', peak: 2 },
    'oven1 vibration stands still at 2 g, unusual',
    'oven1 vibration is back at 2 g, was unusual',
  ],
])('what is unusual by %s says which it is, and so does its peak', (_what, facts, fires, ends) => {
  expect(summaryText(planOf(adaptive), 0, named(facts))).toBe(fires);
  expect(endText(planOf(adaptive), 0, named(facts), 'threshold')).toBe(ends);
});
