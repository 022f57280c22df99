import { expect, test } from 'vitest';
import type { CallMade } from '../fold/calls.ts';
import { emptyFunctionOutput, type FunctionOutput } from '../fold/outputs.ts';
import { compare, emptyComparison } from './comparison.ts';

const made = (changes: Partial<FunctionOutput> = {}, more: Partial<CallMade> = {}): CallMade => ({
  ...{ output: { ...emptyFunctionOutput(), ...changes }, errors: 0, cpuMs: 1 },
  ...more,
});
const NOTHING: CallMade = { output: undefined, errors: 0, cpuMs: 0 };
const reading = (value: number | string, metric = 'm') => ({ sensor: 's', metric, value, ts: 1_000 });
const publish = (payload: string, id = 'f:1:0') => ({ id, topic: 't', payload, qos: 0 as const, retain: false });

function check(blue: CallMade, green: CallMade, difference: RegExp | undefined) {
  const { steps, differ, example } = compare(emptyComparison(), blue, green, 0.01);
  expect([steps, differ]).toEqual([1, difference === undefined ? 0 : 1]);
  if (difference === undefined) expect(example).toBeUndefined();
  else expect(example).toMatch(difference);
}

test('numbers may differ by the tolerance, everything else must be the same', () => {
  check(made({ emitted: [reading(100)] }), made({ emitted: [reading(100.9)] }), undefined);
  check(made({ emitted: [reading(100)] }), made({ emitted: [reading(102)] }), /"value":100.*candidate:.*"value":102/);
  check(made({ emitted: [reading(0)] }), made({ emitted: [reading(0)] }), undefined);
  check(made({ emitted: [reading('a')] }), made({ emitted: [reading('b')] }), /"a"/);
  check(made({ emitted: [reading(1)] }), made({ emitted: [reading(1, 'n')] }), /s\/m.*s\/n/);
});

test('what one makes and the other does not is a difference, whichever it is', () => {
  check(made({ emitted: [reading(1)] }), made(), /"s\/m".*the candidate: nothing/);
  check(made(), made({ emitted: [reading(1)] }), /^nothing, the candidate: .*"s\/m"/);
  check(NOTHING, made({ emitted: [reading(1)] }), /^nothing/);
});

test('the name of the step is no difference, numbers within a text are compared as numbers', () => {
  const of = (payload: string, id?: string) => made({ publishes: [publish(payload, id)] });
  check(of('{"t":20.0}', 'f:1:0'), of('{"t":20.1}', 'g:2:0'), undefined);
  check(of('{"t":20}'), of('{"t":25}'), /"t":20/);
  check(of('on'), of('off'), /on.*off/);
});

test('all is added up, the first difference is kept, and what is nothing to either is not counted', () => {
  let all = compare(emptyComparison(), made({ emitted: [reading(1)] }), made({ emitted: [reading(2)] }), 0);
  all = compare(all, made({}, { errors: 1 }), made({ emitted: [reading(3)] }, { cpuMs: 5 }), 0);
  all = compare(all, NOTHING, NOTHING, 0);
  expect(all).toEqual({
    ...{ steps: 2, differ: 2, example: expect.stringContaining('"value":1') },
    ...{ errors: { blue: 1, green: 0 }, outputs: { blue: 1, green: 2 }, cpuMs: { blue: 2, green: 6 } },
  });
});
