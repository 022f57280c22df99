/** README.md says what the machine does in every state with every event. What it was seen to do is compared with that. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commands, limits, type Model } from './commands.fixture.ts';
import { EVENTS, PHASES, type Phase, type UplinkEvent } from './state.ts';
import { World } from './world.fixture.ts';

const README = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
/** The runs are the same each time: a cell that is hard to reach is reached always or never. */
const SEED = 20_261_128;
const RUNS = 400;
const ORDER = ['close', 'open', 'wait', 'acknowledge', 'send', 'remind', 'load'];

interface Cell {
  phases: Set<Phase>;
  effects: Set<string>;
  isIgnored: boolean;
}

function seen(): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  const run = fc.property(limits, commands, (chosen, steps) => {
    const world = new World(chosen);
    world.onTransition = (before, event, after, effects) => {
      const key = `${before.phase} ${event.type}`;
      const cell = cells.get(key) ?? { phases: new Set(), effects: new Set(), isIgnored: true };
      cells.set(key, cell);
      cell.phases.add(after.phase);
      for (const { type } of effects) cell.effects.add(type);
      if (!isDeepStrictEqual(before, after)) cell.isIgnored = false;
    };
    for (const type of ['renewed', 'changed', 'tick', 'retry', 'stop'] as const) world.handle({ type });
    world.paced(1);
    const model: Model = { alert: 0, live: 0, report: 0, backfill: 0 };
    world.handle({ type: 'start' });
    fc.modelRun(() => ({ model, real: world }), steps);
    world.settle();
    // Chance rarely has a backlog beside what is fresh just then.
    world.handle({ type: 'renewed' });
    world.add('live', 1);
    world.add('backfill', 5);
    for (let looks = 0; looks < 4; looks++) world.answerAfter(1);
    world.settle();
    // After its end, whatever still comes.
    world.add('live', 1);
    world.handle({ type: 'stop' });
    const { connection } = world.state;
    const late: UplinkEvent[] = [
      { type: 'opened', connection },
      { type: 'closed', connection, reason: 'late' },
      { type: 'acked', connection, number: 1 },
    ];
    for (const event of late) world.handle(event);
    world.answer();
  });
  fc.assert(run, { seed: SEED, numRuns: RUNS });
  return cells;
}

function told({ phases, effects, isIgnored }: Cell): string {
  if (isIgnored) return '–';
  const next = PHASES.filter((phase) => phases.has(phase)).join(', ');
  const brought = ORDER.filter((effect) => effects.has(effect)).join(', ');
  return brought === '' ? next : `${next}: ${brought}`;
}

test('the table of states and events is what the machine does', { timeout: 60_000 }, () => {
  const cells = seen();
  const rows = EVENTS.map((event) => {
    const row = PHASES.map((phase) => {
      const cell = cells.get(`${phase} ${event}`);
      return cell === undefined ? 'never seen' : told(cell);
    });
    return `| \`${event}\` | ${row.join(' | ')} |`;
  });
  const documented = README.split('\n').filter(
    (line) => /^\| `[a-z]+` \|/.test(line) && line.split(' | ').length === PHASES.length + 1,
  );
  expect(documented).toEqual(rows);
});

test('every invariant has a name that the world checks, or a test does', () => {
  const section = README.split('\n## What always holds\n')[1]!.split('\n## ')[0]!;
  const named = [...section.matchAll(/^- \*\*([a-z-]+)\*\*/gm)].map(([, name]) => name);
  const files = ['world.fixture.ts', 'commands.fixture.ts', 'model.test.ts'];
  const checks = files.map((file) => readFileSync(new URL(`./${file}`, import.meta.url), 'utf8')).join('\n');
  expect(named.length).toBeGreaterThan(8);
  for (const name of named) expect(checks, `nothing checks ${name}`).toContain(`'${name}'`);
});
