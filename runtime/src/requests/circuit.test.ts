import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AttemptResult,
  admission,
  begun,
  type Circuit,
  CLOSED,
  ended,
  FAILURES_MAX,
  OPEN_MS,
  OPEN_MS_MAX,
} from './circuit.ts';

/** One attempt from its begin to its end. */
function attempt(circuit: Circuit, result: AttemptResult, now: number): Circuit {
  const { circuit: during, isProbe } = begun(circuit);
  return ended(during, { isProbe, result, now, chance: 0 });
}

function after(results: readonly AttemptResult[], now = 0): Circuit {
  return results.reduce((circuit: Circuit, result) => attempt(circuit, result, now), CLOSED);
}

const failures = (count: number): AttemptResult[] => Array(count).fill('failed');
const OPEN = after(failures(FAILURES_MAX));

test('failures in a row open it; one success among them does not let them add up', () => {
  expect(after(failures(FAILURES_MAX - 1))).toMatchObject({ state: 'closed' });
  expect(OPEN).toEqual({ state: 'open', until: OPEN_MS, times: 1 });
  expect(after([...failures(FAILURES_MAX - 1), 'succeeded', ...failures(FAILURES_MAX - 1)])).toMatchObject({
    state: 'closed',
  });
});

test('while it is open nothing begins; then one probe, and nothing beside it', () => {
  expect(admission(OPEN, OPEN_MS - 1)).toBe(OPEN_MS);
  expect(admission(OPEN, OPEN_MS)).toBe(OPEN_MS);
  const { circuit, isProbe } = begun(OPEN);
  expect(isProbe).toBe(true);
  expect(admission(circuit, OPEN_MS)).toBe('after-probe');
});

test('a probe that succeeds closes it; one that fails opens it for twice as long, up to a bound', () => {
  expect(attempt(OPEN, 'succeeded', OPEN_MS)).toEqual(CLOSED);
  expect(attempt(OPEN, 'failed', 1_000)).toEqual({ state: 'open', until: 1_000 + 2 * OPEN_MS, times: 2 });
  const long = Array.from({ length: 20 }).reduce((circuit: Circuit) => attempt(circuit, 'failed', 0), OPEN);
  expect(long).toMatchObject({ until: OPEN_MS_MAX });
});

test('an attempt from before it opened neither closes it nor keeps it open', () => {
  for (const result of ['succeeded', 'failed'] as const) {
    const late = { isProbe: false, result, now: 5, chance: 0 };
    expect(ended(OPEN, late)).toBe(OPEN);
    const { circuit } = begun(OPEN);
    expect(ended(circuit, late)).toBe(circuit);
  }
});

test('a probe that is cut short does not leave it half-open for ever', () => {
  expect(admission(attempt(OPEN, 'abandoned', 7), 7)).toBe(7);
});

test('whatever happens, it is never stuck: there is always a time at which an attempt may begin', () => {
  const result = fc.constantFrom<AttemptResult>('succeeded', 'failed', 'abandoned');
  const step = fc.record({
    result,
    waits: fc.nat(OPEN_MS_MAX),
    late: fc.boolean(),
    chance: fc.double({ min: 0, max: 0.99, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let circuit: Circuit = CLOSED;
      let now = 0;
      for (const { result, waits, late, chance } of steps) {
        now += waits;
        if (late) circuit = ended(circuit, { isProbe: false, result, now, chance });
        const at = admission(circuit, now);
        if (at === 'after-probe') throw new Error('a probe that has ended still counts as under way');
        expect(at - now).toBeLessThanOrEqual(OPEN_MS_MAX * 1.2);
        now = at;
        const start = begun(circuit);
        circuit = ended(start.circuit, { isProbe: start.isProbe, result, now, chance });
      }
    }),
  );
});
