import { expect, test } from 'vitest';
import { restoredState } from './restored-state.ts';

const open = { episode: 'e1', seq: 1, severity: 'warning', startedAt: 1 };
const stateOf = (user: string, opened: number, alerts: object[] = [], more: object = {}) =>
  JSON.stringify({
    states: [['', { user, timers: [['later', opened]] }]],
    alerts: { opened, open: alerts.map((each) => ['hot', each]) },
    ran: [['hourly', opened]],
    lagMs: opened,
    ...more,
  });

test('what the user keeps comes back; what the host keeps goes on, so that nothing is opened or run twice', () => {
  const saved = stateOf('{"n":1}', 1, [open]);
  const current = stateOf('{"n":"broken"}', 2, [], { throwing: { version: 'v2', steps: 10 } });
  expect(JSON.parse(restoredState(current, saved)!)).toEqual({
    states: [['', { user: '{"n":1}', timers: [['later', 1]] }]],
    alerts: { opened: 2, open: [] },
    ran: [['hourly', 2]],
    lagMs: 2,
  });
});

test('a version that had no state yet begins without one again', () => {
  expect(JSON.parse(restoredState(stateOf('{"n":1}', 3), undefined)!)).toMatchObject({
    states: [],
    alerts: { opened: 3 },
  });
  expect(restoredState(undefined, stateOf('{}', 1))).toBe(stateOf('{}', 1));
  expect(restoredState(undefined, undefined)).toBeUndefined();
});
