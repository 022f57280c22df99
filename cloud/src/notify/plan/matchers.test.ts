import { expect, test } from 'vitest';
import { formatMatchers, matchersSchema, matches, parseMatchers } from './matchers.ts';

const LABELS = { alertname: 'oven-hot', device: 'gw1', severity: 'critical', group: 'hall-2,ovens' };

test.each([
  ['device=gw1', true],
  ['device = "gw1" , severity=critical', true],
  ['{device="gw1",severity!="critical"}', false],
  ['alertname=~"oven.*"', true],
  // The whole value, not a part of it.
  ['alertname=~oven', false],
  ['alertname!~"oven.*|press.*"', false],
  ['tag_site=""', true],
  ['tag_site!=""', false],
  ['tag_site=~".+"', false],
  // Of a device that is in several groups each is a value.
  ['group=ovens', true],
  ['group=~"hall.*"', true],
  ['group!=ovens', false],
  ['group="hall-2,ovens"', false],
])('%s', (text, expected) => {
  expect(matches(parseMatchers(text), LABELS)).toBe(expected);
});

test('a value may hold commas, braces and quotation marks, and a pattern its backslashes', () => {
  const matchers = parseMatchers('a="x, {y}", b="say \\"no\\"", c=~"\\\\d+", d=~"\\d"');
  expect(matchers.map(({ value }) => value)).toEqual(['x, {y}', 'say "no"', '\\d+', '\\d']);
  expect(matches(matchers, { a: 'x, {y}', b: 'say "no"', c: '12', d: '3' })).toBe(true);
  expect(parseMatchers(formatMatchers(matchers))).toEqual(matchers);
});

test.each([
  ['', 'it is empty'],
  ['device', 'no label and operator'],
  ['device==gw1 or x', 'comma'],
  ['1a=b', 'no label and operator'],
  ['a="b', 'quotation mark'],
  ['a=~"("', 'no pattern'],
  ['a=b c=d', 'comma'],
])('%s is refused, with the reason', (text, why) => {
  expect(() => parseMatchers(text)).toThrow(why);
  expect(matchersSchema.safeParse(text).success).toBe(false);
});

test('no pattern takes longer than its text is long', () => {
  const matchers = parseMatchers('a=~"(a+)+b"');
  expect(matches(matchers, { a: 'a'.repeat(5_000) })).toBe(false);
});
