import { expect, test } from 'vitest';
import { type Books, balance, faultsOf, type Gap, type Stored } from './ledger.ts';

const reading = (seq: number, value: number, changes: Partial<Stored> = {}): Stored => ({
  id: `gw1/live/life.run/${seq}`,
  sensor: 's0',
  metric: 'n',
  value,
  ts: 1_000 + value,
  ...changes,
});
const gap = (changes: Partial<Gap> = {}): Gap => ({
  lane: 'live',
  seq: 1,
  through: 2,
  dropped: 1,
  state: 'dropped',
  ...changes,
});

/** Three readings that were acknowledged, all in the store. */
function books(changes: Partial<Books> = {}): Books {
  return {
    acknowledged: new Map([['s0', new Set([0, 1, 2])]]),
    stored: [reading(0, 0), reading(1, 1), reading(2, 2)],
    gaps: [],
    told: 0,
    lanes: [{ lane: 'live', nextSeq: 3, dropped: 0 }],
    derived: [],
    ...changes,
  };
}

test.each<[string, Partial<Books>, string[]]>([
  ['all is well', {}, []],
  [
    'what was acknowledged and is not there is lost',
    { stored: [reading(0, 0), reading(1, 2)], lanes: [{ lane: 'live', nextSeq: 2, dropped: 0 }] },
    ['1 acknowledged readings are lost'],
  ],
  [
    'a number of the device that did not come is missed, whatever it was',
    { lanes: [{ lane: 'live', nextSeq: 4, dropped: 0 }] },
    ['1 numbered items are neither in the store nor in a gap'],
  ],
  [
    'one reading under two numbers is stored twice',
    {
      stored: [reading(0, 0), reading(1, 1), reading(2, 2), reading(3, 2)],
      lanes: [{ lane: 'live', nextSeq: 4, dropped: 0 }],
    },
    ['1 readings are stored twice'],
  ],
  [
    'a later number before an earlier one is out of order',
    { stored: [reading(0, 0), reading(2, 1), reading(1, 2)] },
    ['1 readings are out of order within their series'],
  ],
  [
    'a later number with an earlier time is out of order',
    { stored: [reading(0, 0), reading(1, 1), reading(2, 2, { ts: 5 })] },
    ['1 readings are out of order within their series'],
  ],
  [
    'what was dropped and told is a gap, not a loss',
    {
      stored: [reading(0, 0), reading(2, 2)],
      gaps: [gap()],
      told: 1,
      lanes: [{ lane: 'live', nextSeq: 3, dropped: 1 }],
    },
    [],
  ],
  [
    'what was dropped and is there all the same was told',
    { told: 1, lanes: [{ lane: 'live', nextSeq: 3, dropped: 1 }] },
    [],
  ],
  [
    'what was dropped and not told is a fault',
    { lanes: [{ lane: 'live', nextSeq: 3, dropped: 1 }] },
    ['1 items were dropped, the hub was told of 0'],
  ],
  [
    'a gap that is told of with another count than what is missed in it is a fault',
    {
      stored: [reading(0, 0), reading(2, 2)],
      gaps: [gap({ dropped: 2 })],
      told: 2,
      lanes: [{ lane: 'live', nextSeq: 3, dropped: 2 }],
    },
    ['1 numbered items are neither in the store nor in a gap'],
  ],
  [
    'a gap that nobody can explain is a fault',
    { stored: [reading(0, 0), reading(2, 2)], gaps: [gap({ state: 'unexplained' })], told: 1 },
    ['1 gaps are not explained', '0 items were dropped, the hub was told of 1'],
  ],
  [
    'a function that was run twice has emitted twice',
    {
      stored: [reading(0, 0), reading(1, 0, { metric: 'again' }), reading(2, 0, { metric: 'again' })],
      acknowledged: new Map(),
      derived: [{ metric: 'again', every: 1 }],
    },
    ['1 readings of the function are missing or twice'],
  ],
  [
    'a function that was not run has emitted nothing',
    { derived: [{ metric: 'again', every: 2 }] },
    ['2 readings of the function are missing or twice'],
  ],
])('%s', (_what, changes, faults) => {
  expect(faultsOf(balance(books(changes)))).toEqual(faults);
});
