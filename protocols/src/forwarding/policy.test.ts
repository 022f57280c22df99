import { expect, test } from 'vitest';
import { bundleIdentity, bundleSchema } from '../function/manifest.ts';
import { describeForwarding, forwardingMode, forwardingSchema } from './policy.ts';

function entryOf(entry: object) {
  return forwardingSchema.parse({ name: 'thin', forward: [entry] }).forward[0]!;
}

test.each([
  [
    { metric: 'v*', every: '60s' },
    { kind: 'windows', everyMs: 60_000, lateMs: 5_000 },
    'v*: mean, min, max, count every 1m',
  ],
  [
    { metric: 'v', every: '60s', values: ['max', 'mean'], late: '0s' },
    { kind: 'windows', lateMs: 0, values: ['mean', 'max'] },
    'v: mean, max every 1m, 0ms late',
  ],
  [{ sensor: 'a', metric: 't', onChange: 0.2 }, { kind: 'change', band: 0.2, percent: false }, 'a/t: on change of 0.2'],
  [
    { metric: 't', onChange: '1.5%', floor: 0.1, atLeast: '15m' },
    { kind: 'change', band: 1.5, percent: true, floor: 0.1, atLeastMs: 900_000 },
    't: on change of 1.5%, 0.1 or more, at least every 15m',
  ],
  [{ sensor: 'debug-*', mode: 'none' }, { kind: 'none' }, 'debug-*/*: none'],
  [{ mode: 'all' }, { kind: 'all' }, '*: all'],
])('%j says what becomes of a series', (entry, mode, text) => {
  expect(forwardingMode(entryOf(entry))).toMatchObject(mode);
  expect(describeForwarding(entryOf(entry))).toBe(text);
});

test.each([
  [{ metric: 't' }, 'exactly one of mode, every, onChange is needed, found 0'],
  [{ every: '60s', onChange: 1 }, 'exactly one of mode, every, onChange is needed, found 2'],
  [{ every: '10ms' }, '10ms is too short: at least 1s'],
  [{ every: '2d' }, '2d is too long: at most 1d'],
  [{ every: 'often' }, 'is not a duration'],
  [{ every: '60s', values: ['median'] }, 'is none of'],
  [{ every: '60s', values: ['min', 'min'] }, 'each is named once'],
  [{ onChange: -1 }, 'at least 0'],
  [{ onChange: '1 percent' }, 'a percentage such as 1%'],
  [{ onChange: '101%' }, 'at most 100%'],
  [{ onChange: 1, floor: 0.1 }, 'only a percentage has a floor'],
  [{ onChange: 1, late: '1s' }, 'only every waits for late readings'],
  [{ mode: 'all', atLeast: '1m' }, 'only onChange has an atLeast'],
  [{ mode: 'none', values: ['max'] }, 'only every has values'],
  [{ mode: 'some' }, 'is none of'],
  [{ sensor: 'a b', mode: 'all' }, 'in which * stands'],
  [{ mode: 'all', foo: 1 }, 'there is no key'],
])('%j is refused with what is wrong', (entry, what) => {
  const { error } = forwardingSchema.safeParse({ name: 'thin', forward: [entry] });
  expect(JSON.stringify(error?.issues)).toContain(what);
});

test('a policy in a bundle is read as it was written', () => {
  const policy = { name: 'thin', forward: [{ every: '60s' }, { onChange: '1%', atLeast: '1h' }] };
  const forwarding = forwardingSchema.parse(policy);
  const bundle = { weir: 1, kind: 'forwarding', forwarding } as const;
  expect(bundleSchema.parse(JSON.parse(JSON.stringify(bundle)))).toEqual(bundle);
  expect(bundleIdentity(bundle, 'abcdef0123456789')).toEqual({
    kind: 'forwarding',
    name: 'thin',
    version: 'abcdef012345',
  });
});
