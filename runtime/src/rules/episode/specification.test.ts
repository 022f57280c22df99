/** README.md says what the machine does in every state with every event. What it was seen to do is compared with that. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dueOf, isOpen, type Look, look, type MachineState, quietMachine, type Terms, withAway } from './machine.ts';

const README = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const STATES = ['quiet', 'pending', 'firing', 'recovering', 'away'] as const;
const EVENTS = ['true', 'between', 'over', 'unknown', 'time', 'unwatched', 'away'] as const;
type Event = (typeof EVENTS)[number];

const EXITS: Partial<Terms>[] = [
  {},
  { forMs: 10_000 },
  { keepFiringForMs: 10_000, samples: 2 },
  { forMs: 10_000, keepFiringForMs: 10_000 },
  { noRecurrenceForMs: 20_000 },
  { forMs: 10_000, noRecurrenceForMs: 5_000 },
  { resolveAfterMs: 30_000 },
  { manual: true },
  { silent: [true, false] },
];

const nameOf = (state: MachineState) => (state.away === undefined ? state.phase : 'away');

/** What both rungs of a ladder are said to be. */
const SAID: Record<string, Look['rungs'][number]> = {
  true: { on: true, over: false },
  between: { on: false, over: false },
  over: { on: false, over: true },
  unknown: { on: undefined, over: undefined },
};

interface Step {
  event: Event;
  /** Rungs for which it is so. They may be of different signals: also the second alone. */
  rungs: 'first' | 'second' | 'both';
  waitMs: number;
  problem: boolean;
}

const steps = fc.array(
  fc.record({
    event: fc.constantFrom(...EVENTS),
    rungs: fc.constantFrom('first' as const, 'second' as const, 'both' as const),
    waitMs: fc.integer({ min: 0, max: 15_000 }),
    problem: fc.boolean(),
  }),
  { maxLength: 40 },
);

function run(exit: Partial<Terms>, played: readonly Step[], onStep: (from: string, event: Event, to: string) => void) {
  const terms: Terms = { forMs: 0, keepFiringForMs: 0, samples: 1, manual: false, silent: [false, false], ...exit };
  let state = quietMachine(2);
  let now = 1_000;
  let rungs: Look['rungs'] = [SAID.unknown!, SAID.unknown!];
  const told: string[] = [];
  const make = (event: Event, ts: number, problem: boolean) => {
    const from = nameOf(state);
    const wasOpen = isOpen(state);
    const fresh = event !== 'time' && event !== 'unwatched';
    const seen = { ts, rungs, fresh, watched: event !== 'unwatched', problem };
    const { state: next, moves } = event === 'away' ? withAway(state, ts) : look(state, seen, terms);
    state = next;
    const tells = moves.flatMap((move) => (move.kind === 'tell' ? [move] : []));
    onStep(from, event, [nameOf(state), ...tells.map(({ reason }) => reason)].join(' '));
    told.push(...tells.map((move) => move.state));
    check({ state, wasOpen, told, tells: tells.length, now: ts, terms });
  };
  for (const { event, rungs: which, waitMs, problem } of played) {
    // As a track does: what falls due first comes first.
    const until = event === 'time' ? Math.max(now, Math.min(dueOf(state, terms), now + 100_000)) : now + waitMs;
    for (let due = dueOf(state, terms); due <= until; due = dueOf(state, terms))
      make('time', Math.max(due, now), problem);
    now = until;
    const said = SAID[event];
    const isAll = which === 'both' || event !== 'true';
    if (said !== undefined)
      rungs = [isAll || which === 'first' ? said : SAID.over!, isAll || which === 'second' ? said : SAID.over!];
    if (event !== 'time') make(event, now, problem);
  }
}

interface Checked {
  state: MachineState;
  wasOpen: boolean;
  /** States in the order in which they were told, and how many just now. */
  told: readonly string[];
  tells: number;
  now: number;
  terms: Terms;
}

/** By the names of the invariants in README.md. */
const INVARIANTS: Record<string, (of: Checked) => boolean> = {
  'an-end-for-each-begin': ({ state, told }) => {
    const begun = told.filter((each, at) => each === 'firing' && (at === 0 || told[at - 1] === 'resolved')).length;
    return begun - told.filter((each) => each === 'resolved').length === (isOpen(state) ? 1 : 0);
  },
  'in-force-is-open': ({ state }) => isOpen(state) || state.rungs.every((rung) => !rung.in),
  'one-move-at-a-time': ({ tells }) => tells <= 1,
  'nothing-due-is-left': ({ state, now, terms }) => dueOf(state, terms) > now,
  'unknown-is-no-crossing': ({ state, wasOpen }) => wasOpen || !isOpen(state) || state.unknownSince === undefined,
  'began-before-it-fired': ({ state }) => !isOpen(state) || state.startedAt <= state.firedAt!,
};

function check(of: Checked): void {
  for (const [name, holds] of Object.entries(INVARIANTS)) if (!holds(of)) throw new Error(`${name} does not hold`);
}

test('the table says what happens in every state with every event, and what always holds is checked', () => {
  const seen = new Map<string, Set<string>>();
  fc.assert(
    fc.property(fc.constantFrom(...EXITS), steps, (exit, played) => {
      run(exit, played, (from, event, to) => {
        const cell = `${from} ${event}`;
        seen.set(cell, (seen.get(cell) ?? new Set()).add(to));
      });
    }),
    { numRuns: 20_000, seed: 6 },
  );
  const cellOf = (state: string, event: string) => [...(seen.get(`${state} ${event}`) ?? [])].sort().join(', ');
  const rows = STATES.map((state) => `| \`${state}\` | ${EVENTS.map((event) => cellOf(state, event)).join(' | ')} |`);
  const documented = README.split('\n').filter((line) => line.startsWith('| `') && line.split(' | ').length > 5);
  expect(documented).toEqual(rows);
  const section = README.split('\n## What always holds\n')[1]!.split('\n## ')[0]!;
  const named = [...section.matchAll(/^- \*\*([a-z-]+)\*\*/gm)].map(([, name]) => name);
  expect(named.filter((name) => name! in INVARIANTS)).toEqual(Object.keys(INVARIANTS));
});
