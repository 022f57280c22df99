import fc from 'fast-check';
import { expect, test } from 'vitest';
import { actions, play, words } from './runs.fixture.ts';
import { World } from './world.fixture.ts';

test('whatever happens in whatever order, what is promised of a rollout holds, and it comes to an end', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), words, actions, fc.boolean(), (devices, chosen, all, isGood) => {
      const world = new World(devices, chosen);
      play(world, all);
      world.settle(isGood);
      // Without waves nothing ends it but that it does well; and failures that are never too many are not either.
      const mayStay = world.rollout.atOnce;
      if (!mayStay) expect(['done', 'aborted'], 'comes-to-an-end').toContain(world.rollout.phase);
    }),
    { numRuns: 300 },
  );
});

test('with all devices there it is done when all take it, and aborted when all fail', () => {
  for (const isGood of [true, false]) {
    const world = new World(20, { waves: '1,10%,100%', soak: '30s' });
    world.settle(isGood);
    expect(world.rollout.phase, 'comes-to-an-end').toBe(isGood ? 'done' : 'aborted');
    expect(world.rollout.admitted).toBe(isGood ? 20 : 1);
  }
});

test('an abort is told with what failed, where, and to what all go back', () => {
  const world = new World(10, { waves: '1,50%,100%' });
  world.settle(false);
  const told = world.rollout.told.map(({ text }) => text);
  expect(told[1]).toBe('2.0.0 goes to 10 devices in 3 waves: 1, 50%, 100%; a share of 10% failed devices ends it');
  expect(told[2]).toBe('wave 1 of 3 begins with 1 device');
  expect(told[3]).toMatch(/^aborted: 1 of 1 failed: gw\d: TypeError; all go back to 1\.0\.0$/);
  expect(told[4]).toBe('all have gone back');
});

test('devices that are offline hold nothing up, and a wave of which none can be reached waits and says why', () => {
  const world = new World(10, { waves: '1,100%', soak: '0s' });
  for (let at = 1; at < 10; at++) world.connect(at, false);
  world.look();
  world.take(0, true);
  world.look();
  expect(world.rollout).toMatchObject({ phase: 'admitting', wave: 1, admitted: 10 });
  world.now += 365 * 86_400_000;
  world.look();
  expect(world.rollout.phase).toBe('admitting');
  world.connect(3, true);
  world.take(3, true);
  world.now += 1_000;
  world.look();
  expect(world.rollout.phase).toBe('done');
});

test('a device that took it and is not heard of any more has failed', () => {
  const world = new World(4, { waves: '1,100%', soak: '1h', heartbeat: '10m' });
  world.look();
  const first = world.devices.findIndex(({ admission }) => admission !== undefined);
  world.take(first, true);
  world.look();
  world.connect(first, false);
  world.now += 600_000;
  world.look();
  expect(world.rollout).toMatchObject({ phase: 'aborted', why: expect.stringContaining('not been heard of for 10m') });
});
