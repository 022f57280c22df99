/** The machine at the mercy of chance. What always holds is checked by the world. */
import { LANES } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commands, limits, type Model } from './commands.fixture.ts';
import { isUp } from './state.ts';
import { World } from './world.fixture.ts';

test('whatever is lost, and in whatever order answers come, every item arrives and leaves the outbox only then', () => {
  fc.assert(
    fc.property(limits, commands, (chosen, steps) => {
      const world = new World(chosen);
      const model: Model = { alert: 0, live: 0, report: 0, backfill: 0 };
      world.handle({ type: 'start' });
      fc.modelRun(() => ({ model, real: world }), steps);
      world.settle();
      expect(isUp(world.state)).toBe(true);
      expect(world.acked, 'everything-arrives').toEqual(model);
      for (const lane of LANES) expect(world.received[lane].size).toBe(model[lane]);
    }),
    { numRuns: 500 },
  );
});

test('a machine that takes any acknowledgement for that of the head is caught by the world', () => {
  const world = new World();
  world.handle({ type: 'start' });
  world.opened();
  world.add('live', 10);
  while (world.loads.length > 0) world.answer();
  expect(world.sent.length).toBeGreaterThan(1);
  const [first] = world.state.window;
  world.state = { ...world.state, window: world.state.window.map((batch) => ({ ...batch, acked: batch !== first })) };
  expect(() => world.handle({ type: 'acked', connection: 1, number: first!.number })).toThrow('prefixes-only');
});
