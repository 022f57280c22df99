/** README.md says what the machine does in every phase with every event. What it was seen to do is compared with that. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PHASES, type Phase, type RolloutEvent } from './rollout.ts';
import { actions, play, words } from './runs.fixture.ts';
import { World } from './world.fixture.ts';

const README = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
/** The runs are the same each time: a cell that is hard to reach is reached always or never. */
const SEED = 20_261_128;
const RUNS = 900;
const EVENTS: readonly RolloutEvent['type'][] = ['observed', 'pause', 'resume', 'abort', 'switch', 'superseded'];

interface Cell {
  phases: Set<Phase>;
  effects: Set<string>;
}

function seen(): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  const note = (world: World) => {
    world.onStep = (before, event, after, effects) => {
      const key = `${before.phase} ${event.type}`;
      const cell = cells.get(key) ?? { phases: new Set(), effects: new Set() };
      cells.set(key, cell);
      if (before !== after) cell.phases.add(after.phase);
      for (const effect of effects) cell.effects.add(effect);
    };
  };
  const late: RolloutEvent[] = [{ type: 'pause' }, { type: 'resume' }, { type: 'switch' }, { type: 'abort' }];
  const run = fc.property(fc.integer({ min: 1, max: 12 }), words, actions, fc.nat(8), (devices, chosen, all, way) => {
    const world = new World(devices, chosen);
    note(world);
    play(world, all);
    // In whatever phase that has led to: what comes then.
    if (way < 4) world.handle(late[way]!);
    if (way === 5) for (const event of [...late].reverse()) world.handle(event);
    if (way === 4 || way > 6) world.handle({ type: 'superseded', by: 'mean@3.0.0' });
    world.settle(way % 2 === 0);
    for (const event of late) world.handle(event);
    world.handle({ type: 'superseded', by: 'mean@3.0.0' });
    for (const event of late) world.handle(event);
    world.handle({ type: 'superseded', by: 'mean@4.0.0' });
    world.look();
  });
  fc.assert(run, { seed: SEED, numRuns: RUNS });
  return cells;
}

test('the table of phases and events is what the machine does', { timeout: 60_000 }, () => {
  const cells = seen();
  const rows = PHASES.map((phase) => {
    const row = EVENTS.map((event) => {
      const cell = cells.get(`${phase} ${event}`);
      if (cell === undefined) return 'never seen';
      if (cell.phases.size === 0) return '–';
      const next = PHASES.filter((each) => cell.phases.has(each)).join(', ');
      return cell.effects.size === 0 ? next : `${next}: ${[...cell.effects].sort().join(', ')}`;
    });
    return `| \`${phase}\` | ${row.join(' | ')} |`;
  });
  const documented = README.split('\n').filter((line) => line.startsWith('| `') && line.split(' | ').length > 3);
  expect(documented).toEqual(rows);
});

test('every invariant has a name that a test checks', () => {
  const section = README.split('\n## What always holds\n')[1]!;
  const named = [...section.matchAll(/^- \*\*([a-z-]+)\*\*/gm)].map(([, name]) => name);
  const files = ['world.fixture.ts', 'machine.test.ts'];
  const checks = files.map((file) => readFileSync(new URL(`./${file}`, import.meta.url), 'utf8')).join('\n');
  expect(named.length).toBeGreaterThan(8);
  for (const name of named) expect(checks, `nothing checks ${name}`).toContain(`'${name}'`);
});
