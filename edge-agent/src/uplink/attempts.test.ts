import { expect, test } from 'vitest';
import { backoffMs } from './machine.ts';
import { LIMITS, openWorld, World } from './world.fixture.ts';

/** The connection ends, and the longest of waits is drawn. */
function end(world: World): void {
  const { connection } = world.state;
  world.links.delete(connection);
  world.sent = [];
  world.handle({ type: 'closed', connection, reason: 'refused' }, 1);
}

test('attempts wait longer after each failure, never past the cap, and start anew after a good connection', () => {
  const world = new World();
  world.handle({ type: 'start' });
  for (let i = 0; i < 10; i++) {
    end(world);
    world.retry();
  }
  expect(world.allWaits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  world.opened();
  world.now += 10_000;
  end(world);
  expect(world.allWaits.at(-1)).toBe(500);
});

test('attempts start anew also after a short connection on which something was acknowledged: such a line is of use', () => {
  const world = openWorld();
  world.add('live', 100);
  for (let i = 0; i < 5; i++) {
    while (world.loads.length > 0) world.answer();
    world.receive(0, false);
    end(world);
    world.retry();
    world.opened();
  }
  expect(world.allWaits).toEqual([500, 500, 500, 500, 500]);
});

test('attempts grow rarer however long the hub is away: only a connection that was open for a while was a good one', () => {
  const world = openWorld();
  for (let i = 0; i < 8; i++) {
    end(world);
    world.tick(60_000);
    world.retry();
  }
  expect(world.allWaits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('attempts are spread over the whole span, so that a fleet does not come back at once', () => {
  expect([0, 0.25, 1].map((random) => backoffMs(3, random, LIMITS))).toEqual([0, 1_000, 4_000]);
  expect(backoffMs(10_000, 1, LIMITS)).toBe(30_000);
  // A thousand devices whose hub went away at one moment, at their fifth attempt: no tenth of the span gets a third more.
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const tenths = new Array<number>(10).fill(0);
  for (let device = 0; device < 1_000; device++)
    tenths[Math.min(9, Math.floor(backoffMs(5, random(), LIMITS) / 1_600))]!++;
  expect(Math.max(...tenths)).toBeLessThan(133);
  expect(Math.min(...tenths)).toBeGreaterThan(67);
});
