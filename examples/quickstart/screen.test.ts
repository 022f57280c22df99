import { expect, test } from 'vitest';
import { Screen } from './screen.ts';

const T0 = Date.UTC(2026, 10, 21, 12, 0, 0);
const clock = (at: number) => new Date(at).toTimeString().slice(0, 8);

function shown(state: 'firing' | 'resolved', ts: number, at: number): string {
  const lines: string[] = [];
  const transition = {
    state,
    severity: 'warning',
    summary: 'oven2 is over 80',
    startedAt: T0,
    ts,
    peak: 86.512,
    unit: 'Cel',
  };
  new Screen((line) => lines.push(line)).event({ type: 'notification', at, transition });
  return lines.join('\n');
}

test('an alert bears the time at which it happened, so that a backlog does not look like a storm', () => {
  expect(shown('firing', T0, T0 + 1_000)).toBe(`${clock(T0)}  ALERT     warning: oven2 is over 80`);
  expect(shown('firing', T0, T0 + 60_000)).toBe(
    `${clock(T0)}  ALERT     warning: oven2 is over 80  (told late, at ${clock(T0 + 60_000)})`,
  );
  expect(shown('resolved', T0 + 9_000, T0 + 60_000)).toBe(
    `${clock(T0 + 9_000)}  RESOLVED  after 9 s; the worst was 86.51 Cel: oven2 is over 80  (told late, at ${clock(T0 + 60_000)})`,
  );
});
