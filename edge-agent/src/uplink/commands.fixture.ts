/** Commands of fast-check for the machine in its world, in any order. */
import { LANES, type Lane } from '@weir/protocols';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { UplinkLimits } from './state.ts';
import type { World } from './world.fixture.ts';

/** What is to be found in the end. */
export type Model = Record<Lane, number>;

class Step implements fc.Command<Model, World> {
  readonly #name: string;
  readonly #run: (world: World, model: Model) => void;

  constructor(name: string, run: (world: World, model: Model) => void) {
    this.#name = name;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, world: World): void {
    this.#run(world, model);
  }

  toString(): string {
    return this.#name;
  }
}

const step = <A extends unknown[]>(
  name: string,
  args: { [at in keyof A]: fc.Arbitrary<A[at]> },
  run: (world: World, model: Model, ...args: A) => void,
) =>
  fc
    .tuple<A>(...args)
    .map((values) => new Step(`${name}(${values.join(', ')})`, (world, model) => run(world, model, ...values)));

/** Numbers of connections, most of which are not there any more. */
const connection = fc.nat(6);

const STEPS = [
  step(
    'add',
    [fc.constantFrom(...LANES), fc.integer({ min: 1, max: 40 })],
    (world, model, lane: Lane, items: number) => {
      model[lane] += items;
      world.add(lane, items);
    },
  ),
  step('answer', [fc.boolean()], (world, _model, canBeRead: boolean) => world.answer(canBeRead)),
  step('answer', [fc.nat(9)], (world, _model, ms: number) => world.answerAfter(ms)),
  step('opened', [fc.nat(1)], (world, _model, at: number) => world.opened(at)),
  step('receive', [fc.nat(10), fc.boolean()], (world, _model, at: number, isLost: boolean) =>
    world.receive(at, isLost),
  ),
  step('receive', [fc.nat(10)], (world, _model, at: number) => world.receive(at, false)),
  step('lose', [connection], (world, _model, back: number) => world.lose(world.state.connections - back)),
  step('renewed', [], (world) => world.handle({ type: 'renewed' })),
  step('retry', [], (world) => world.retry()),
  step('tick', [fc.integer({ min: 1, max: 90_000 })], (world, _model, ms: number) => world.tick(ms)),
  step(
    'paced',
    [fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60_000 })), fc.option(fc.integer({ min: 1, max: 20 }))],
    (world, _model, ms: number, items: number | null) => world.paced(ms, items ?? undefined),
  ),
  step('hold', [fc.integer({ min: 1, max: 90_000 })], (world, _model, ms: number) => {
    world.heldUntil = world.now + ms;
  }),
  // What a machine must not be led astray by.
  step('late', [connection, fc.nat(30)], (world, _model, back: number, number: number) => {
    const late = world.state.connections - back;
    if (world.links.has(late)) return;
    const { state } = world;
    world.handle({ type: 'opened', connection: late });
    world.handle({ type: 'closed', connection: late, reason: 'late' });
    world.handle({ type: 'acked', connection: late, number });
    expect(world.state, 'late-news-ignored').toEqual(state);
  }),
  step('stop and start', [], (world) => {
    world.waits.length = 0;
    world.handle({ type: 'stop' });
    world.handle({ type: 'start' });
  }),
  step('again', [], (world) => {
    const before = world.state;
    world.handle({ type: 'start' });
    if (before.phase !== 'waiting') world.handle({ type: 'retry' });
    if (before.phase !== 'stopped') expect(world.state).toEqual(before);
  }),
];

export const commands = fc.commands(STEPS, { maxCommands: 150, size: 'max' });

export const limits: fc.Arbitrary<Partial<UplinkLimits>> = fc.record(
  {
    backfillPerSecond: fc.integer({ min: 1, max: 50 }),
    gather: fc.integer({ min: 1, max: 20_000 }),
    windowBatches: fc.integer({ min: 3, max: 8 }),
  },
  { requiredKeys: [] },
);
