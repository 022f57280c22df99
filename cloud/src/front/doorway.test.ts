import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DoorLimits, Doorway } from './doorway.ts';

const LIMITS: DoorLimits = {
  connectionsMax: 10_000,
  addressConnectionsMax: 5_000,
  pendingMax: 2_000,
  addressPendingMax: 600,
  addressConnectsBurst: 1_000,
  addressConnectsPerS: 50,
  deviceConnectsBurst: 20,
  deviceConnectsPerS: 1,
};

const doorway = (over: Partial<DoorLimits> = {}) => new Doorway({ ...LIMITS, ...over });
const times = <T>(n: number, what: (n: number) => T): T[] => Array.from({ length: n }, (_, at) => what(at));

describe('a site', () => {
  test('of 500 devices behind one address comes back at once, twice', () => {
    const door = doorway();
    for (const now of [0, 1_000]) {
      expect(new Set(times(500, () => door.enter('10.0.0.1', now)))).toEqual(new Set([undefined]));
      for (let n = 0; n < 500; n++) {
        expect(door.comes(`gw${n}`, now)).toBe(true);
        door.identified('10.0.0.1');
        door.left('10.0.0.1', false);
      }
    }
  });

  test('whose sockets flood is held to its rate, let in again as soon as it keeps to it, and harms no other', () => {
    const door = doorway();
    const come = (now: number, address = '10.0.0.1') => {
      const fault = door.enter(address, now);
      if (fault === undefined) door.left(address, true);
      return fault;
    };
    for (let n = 0; n < 5_000; n++) come(0);
    expect(come(0)).toBe('connects_over_rate');
    expect(come(0, '10.0.0.2')).toBeUndefined();
    expect(come(19)).toBe('connects_over_rate');
    expect(times(50, () => come(1_020))).toEqual(times(50, () => undefined));
  });

  test('with sockets that say nothing has no more than its share of them, and others come in', () => {
    const door = doorway();
    const faults = times(5_000, () => door.enter('10.0.0.1', 0));
    expect(faults.filter((fault) => fault === undefined)).toHaveLength(600);
    expect(door.pending).toBe(600);
    expect(door.enter('10.0.0.2', 0)).toBeUndefined();
    door.left('10.0.0.1', true);
    expect(door.enter('10.0.0.1', 100)).toBeUndefined();
  });
});

test('a device that comes again and again is held to its rate; others of its address are not', () => {
  const door = doorway();
  expect(times(25, () => door.comes('gw1', 0)).filter(Boolean)).toHaveLength(20);
  expect(door.comes('gw2', 0)).toBe(true);
  expect([door.comes('gw1', 999), door.comes('gw1', 1_000), door.comes('gw1', 1_001)]).toEqual([false, true, false]);
});

test('whoever has a whole IPv6 network has one address', () => {
  const door = doorway({ addressConnectionsMax: 1 });
  expect(door.enter('2001:db8::1', 0)).toBeUndefined();
  expect(door.enter('2001:db8:0:0:ffff::7', 0)).toBe('connections_over_limit');
  expect(door.enter('2001:db8:0:1::1', 0)).toBeUndefined();
  expect(door.enter('::1', 0)).toBeUndefined();
  expect(door.enter('::ffff:10.0.0.1', 0)).toBeUndefined();
  expect(door.enter('10.0.0.1', 0)).toBe('connections_over_limit');
  expect(door.enter('fe80::1%eth0', 0)).toBeUndefined();
});

test('whatever comes and goes, in any order, the counts are those of what is there, and no limit is passed', () => {
  const step = fc.record({ address: fc.constantFrom('a', 'b', 'c'), what: fc.constantFrom('enter', 'say', 'leave') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const door = doorway({ connectionsMax: 8, addressConnectionsMax: 4, pendingMax: 5, addressPendingMax: 3 });
      const there: { address: string; isPending: boolean }[] = [];
      for (const { address, what } of steps) {
        const at = there.findIndex((each) => each.address === address && (what !== 'say' || each.isPending));
        if (what === 'enter' && door.enter(address, 0) === undefined) there.push({ address, isPending: true });
        if (what === 'say' && at >= 0) {
          door.identified(address);
          there[at]!.isPending = false;
        }
        if (what === 'leave' && at >= 0) {
          const [gone] = there.splice(at, 1);
          door.left(address, gone!.isPending);
        }
        const pending = there.filter(({ isPending }) => isPending);
        expect(door.pending).toBe(pending.length);
        expect([there.length <= 8, pending.length <= 5]).toEqual([true, true]);
        for (const each of ['a', 'b', 'c']) {
          expect(there.filter(({ address }) => address === each).length).toBeLessThanOrEqual(4);
        }
      }
    }),
  );
});
