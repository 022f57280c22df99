import type { Reading } from '@weir/protocols';
import { expect, test } from 'vitest';
import type { Era } from '../clock/agent-clock.ts';
import { Stamping } from './stamping.ts';

const UNKNOWN: Era = { id: 1, boot: 'boot1', certainty: 'unsynchronised', offset: 1_000, fromAt: 1_000 };
const ASSUMED: Era = { ...UNKNOWN, id: 2, certainty: 'assumed', offset: 5_000 };
const KNOWN: Era = { ...UNKNOWN, id: 3, certainty: 'synchronised', offset: 9_000 };

/** Readings of a group, each with the era in which it came and whether its time is the device's; then the group is taken. */
function group(...readings: [era: Era, isOurs: boolean][]) {
  let era = UNKNOWN;
  const stamping = new Stamping(() => ({ era, monotonic: 50 }));
  const times = readings.map(([next, isOurs], at) => {
    era = next;
    const reading: Reading = { sensor: 's', metric: 'm', value: 1, ts: 100 + next.offset };
    return stamping.note(reading, isOurs, at).ts;
  });
  const time = stamping.take()!;
  return { times, era: time.stamp.era.id, stamped: time.stamped && [...time.stamped] };
}

test.each<[string, [Era, boolean][], ReturnType<typeof group>]>([
  [
    'times of the device',
    [
      [UNKNOWN, true],
      [UNKNOWN, true],
    ],
    { times: [1_100, 1_100], era: 1, stamped: [1] },
  ],
  [
    'times of sensors alone',
    [
      [UNKNOWN, false],
      [UNKNOWN, false],
    ],
    { times: [1_100, 1_100], era: 1, stamped: [0] },
  ],
  [
    'both',
    [
      [UNKNOWN, false],
      [UNKNOWN, true],
      [UNKNOWN, false],
    ],
    { times: [1_100, 1_100, 1_100], era: 1, stamped: [0, 1, 0] },
  ],
  ['what is known', [[KNOWN, true]], { times: [9_100], era: 3, stamped: undefined }],
  [
    'what became known within it',
    [
      [UNKNOWN, true],
      [KNOWN, true],
    ],
    { times: [1_100, 9_100], era: 1, stamped: [1, 0] },
  ],
  [
    'what was assumed within it, in time as it was',
    [
      [UNKNOWN, true],
      [ASSUMED, true],
    ],
    { times: [1_100, 1_100], era: 1, stamped: [1] },
  ],
])('a group says which of its times can be set right: %s', (_name, readings, expected) => {
  expect(group(...readings)).toEqual(expected);
});

test('a clock that is plainly wrong is no judge of what is ahead', () => {
  const latest = (era: Era) => new Stamping(() => ({ era, monotonic: 0 })).latest(1_000_000);
  expect([UNKNOWN, ASSUMED, KNOWN].map(latest)).toEqual([Number.POSITIVE_INFINITY, 1_010_000, 1_010_000]);
});
