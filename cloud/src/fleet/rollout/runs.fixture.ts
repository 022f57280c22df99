/** Runs of random events over the machine. */
import fc from 'fast-check';
import type { RolloutWords } from './options.ts';
import type { World } from './world.fixture.ts';

export const words: fc.Arbitrary<RolloutWords | undefined> = fc.option(
  fc.record(
    {
      waves: fc.constantFrom('1,10%,50%,100%', '100%', '2,5,100%', '30%,100%'),
      soak: fc.constantFrom('0s', '30s', '2m'),
      abortAt: fc.constantFrom('1', '3', '10%', '50%', 'never'),
      rate: fc.constantFrom(1, 60, 6_000),
      minReport: fc.constantFrom('50%', '100%'),
      at: fc.constant('2026-11-28T09:10:00Z'),
      blueGreen: fc.constantFrom('automatic' as const, 'asked' as const),
    },
    { requiredKeys: ['waves', 'soak'] },
  ),
  { nil: undefined, freq: 5 },
);

const at = fc.nat(60);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const), at, isGood: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('run' as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('connect' as const), at, connected: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 30_000, 700_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      type: fc.constantFrom(
        'pause' as const,
        'resume' as const,
        'resume' as const,
        'switch' as const,
        'abort' as const,
      ),
    }),
  },
);
export const actions = fc.array(action, { maxLength: 60 });
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

export function play(world: World, all: readonly Action[]): void {
  world.look();
  for (const each of all) {
    if (each.do === 'take') world.take(each.at, each.isGood);
    else if (each.do === 'run') for (const device of world.devices.keys()) world.take(device, device % 7 !== each.at);
    else if (each.do === 'connect') world.connect(each.at, each.connected);
    else if (each.do === 'wait') world.now += each.ms;
    else world.handle({ type: each.type });
    world.look();
  }
}
