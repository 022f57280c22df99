import { forwardingSchema, type Reading } from '@weir/protocols';
import { expect, test } from 'vitest';
import { forwardTrace, perDay } from './forward-trace.ts';

const T0 = 1_700_000_040_000;
const policy = (...forward: object[]) => forwardingSchema.parse({ name: 'thin', forward });
const at = (second: number, metric: string, value: Reading['value']): Reading => ({
  sensor: 's',
  metric,
  value,
  ts: T0 + second * 1000,
});

test('a trace is told of by series: what came, what is sent, and how far off the hub is', () => {
  const readings = Array.from({ length: 600 }, (_, second) => [
    at(second, 't', 20 + Math.round(30 * Math.sin(second / 50)) / 10),
    at(second, 'v', second % 7),
    at(second, 'state', second < 300 ? 'run' : 'idle'),
    at(second, 'x', 1),
  ]).flat();
  const trace = forwardTrace(
    policy({ metric: 't', onChange: 0.5 }, { metric: 'v', every: '60s' }, { metric: 'state', onChange: 0 }),
    readings,
  );
  expect(trace.series.map(({ metric, taken, sent, errorMax }) => [metric, taken, sent, errorMax])).toEqual([
    ['state', 600, 2, undefined],
    ['t', 600, expect.any(Number), expect.closeTo(0.5, 9)],
    ['v', 600, 40, undefined],
    ['x', 600, 600, 0],
  ]);
  expect(trace.entries.map(({ taken, forwarded }) => [taken, forwarded])).toEqual([
    [600, trace.series[1]!.sent],
    [600, 40],
    [600, 2],
  ]);
  expect(trace.total.readings).toBe(trace.sent.length);
  expect(trace.total.bytes).toBeLessThan(trace.taken.bytes / 2);
  expect(perDay(trace.taken.bytes, trace)).toBe(Math.round((trace.taken.bytes * 86_400) / 599));
});

test('a device that restarts in between sends the same; a trace of one moment has no daily size', () => {
  const readings = Array.from({ length: 200 }, (_, n) => at(n * 3, 'v', (n * 7) % 11));
  const thin = policy({ every: '60s', values: ['max', 'count'] });
  expect(forwardTrace(thin, readings, { restartEvery: 3 }).sent).toEqual(forwardTrace(thin, readings).sent);
  const moment = forwardTrace(thin, [at(0, 'v', 1)]);
  expect(moment.sent.map(({ metric }) => metric)).toEqual(['v.max', 'v.count']);
  expect(perDay(moment.taken.bytes, moment)).toBeUndefined();
});
