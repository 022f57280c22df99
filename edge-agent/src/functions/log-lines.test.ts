import type { LogLine } from '@weir/runtime';
import { expect, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { LogLines, type NumberedLine } from './log-lines.ts';

function open(perSecond = 5) {
  const clock = new TestClock();
  const passed: NumberedLine[] = [];
  return { clock, passed, lines: new LogLines(clock, perSecond, (line) => passed.push(line)) };
}

const line = (text: string, fold = 'mean'): LogLine => ({ fold, level: 'info', text, ts: 1 });
const many = (count: number, fold: string) => Array.from({ length: count }, (_, at) => line(`${at}`, fold));

test('lines are passed on up to a rate, the rest is counted, and numbers show what is missing', async () => {
  const { clock, lines, passed } = open();
  lines.add(many(8, 'mean'));
  await clock.advance(1_000);
  lines.add([line('a'), line('b', 'rms')]);
  expect(passed.map(({ fold, n }) => `${fold} ${n}`)).toEqual([
    ...[0, 1, 2, 3, 4].map((n) => `mean ${n}`),
    'mean 8',
    'rms 0',
  ]);
  expect(lines.suppressed).toBe(3);
});

test('a function that says too much pushes out its own lines, and fills no memory', () => {
  const { lines } = open();
  lines.add([line('quiet', 'rms')]);
  for (let at = 0; at < 100; at++) lines.add(many(100, 'mean'));
  expect(lines.last.length).toBeLessThanOrEqual(2_000);
  expect(lines.last.filter(({ fold }) => fold === 'rms').map(({ text }) => text)).toEqual(['quiet']);
  expect(lines.last.at(-1)).toMatchObject({ fold: 'mean', n: 9_999 });
});
