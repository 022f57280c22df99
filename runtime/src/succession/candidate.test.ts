/** A candidate beside what runs, on a host as the agent has it. */
import { columnsOf } from '@weir/protocols';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CallMade, FoldCall } from '../fold/calls.ts';
import { emitted, functionOf, KeptHost, sandbox, startSandbox, T0 } from '../fold/fold.fixture.ts';
import type { Deployed } from '../fold/fold.ts';
import { createFoldHost } from '../fold/host.ts';
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { Candidate } from './candidate.ts';
import { emptyComparison } from './comparison.ts';
import { replaceFold } from './mend.ts';
import { takenOverState } from './taken-over.ts';

let beside: Sandbox;
beforeAll(async () => {
  await startSandbox();
  beside = createSandbox();
  await beside.start();
});
afterAll(async () => {
  await sandbox.stop();
  await beside.stop();
});

const counting = (factor: number, high: number) => `state: () => ({ n: 0 }),
  reading(r, ctx) {
    ctx.state.n += ${factor};
    ctx.emit({ metric: 'count', value: ctx.state.n });
    ctx.alert({ name: r.sensor, active: r.value > ${high} });
  }`;

/** A host that runs `blue`, with `green` beside it from the start on. */
async function startBoth(blue: Deployed, green: Deployed, neighbours: Deployed[] = []) {
  const seen: [FoldCall, CallMade][] = [];
  const witness = {
    watches: (name: string) => name === blue.name,
    saw: (_: string, ...each: [FoldCall, CallMade]) => void seen.push(each),
  };
  const host = new KeptHost({ witness });
  await host.deploy(blue, ...neighbours);
  const options = { device: 'gw1', sandbox: beside, wait: async () => {}, tolerance: 1e-6 };
  const start = async (kept = { state: host.states.get(blue.name), comparison: emptyComparison() }) => {
    // What came before it began is in the state that it begins with.
    seen.length = 0;
    const candidate = new Candidate(green, kept, options);
    expect(await candidate.load(green)).toBeUndefined();
    await candidate.begin('begin', T0);
    return candidate;
  };
  const follow = async (candidate: Candidate) => {
    for (const [call, made] of seen.splice(0)) await candidate.follow(call, made);
  };
  return { host, start, follow };
}

test('it is given all that the one that runs is given, and what both made of it is compared', async () => {
  const [blue, green] = [await functionOf('f', counting(1, 50), '1'), await functionOf('f', counting(1, 80), '2')];
  const { host, start, follow } = await startBoth(blue, green);
  await host.step([0, 20]);
  const candidate = await start();
  await host.step([1, 20]);
  await host.step([2, 60]);
  await host.tick(3);
  await follow(candidate);
  const { steps, differ, outputs, errors, example } = candidate.comparison;
  expect({ steps, differ, outputs, errors }).toEqual({
    ...{ steps: 2, differ: 1 },
    ...{ outputs: { blue: 3, green: 2 }, errors: { blue: 0, green: 0 } },
  });
  expect(example).toMatch(/"alert":"firing".*the candidate: nothing/);
});

test('it gets what neighbours make for the one that runs, events, and nothing that was given to it before', async () => {
  const handlers = `reading(r, ctx) { ctx.state.seen = (ctx.state.seen ?? '') + r.metric + ' '; ctx.emit({ metric: 'seen', value: ctx.state.seen }); },
    command(c, ctx) { ctx.emit({ metric: 'command', value: c.name }); }`;
  const make = (version: string) => functionOf('f', `inputs: [{ metric: 'mean' }], ${handlers}`, version);
  const [blue, green] = [await make('1'), await make('2')];
  const source = await functionOf(
    'source',
    `outputs: [{ metric: 'mean' }], reading(r, ctx) { ctx.emit({ metric: 'mean', value: r.value }); }`,
  );
  const { host, start, follow } = await startBoth(blue, green, [source]);
  const candidate = await start();
  await host.step([1, 20]);
  await host.event({ kind: 'command', command: { id: 'c1', name: 'go', payload: null } });
  const letter = {
    ...{ id: 'f:1', fold: 'f', version: '1', hash: 'h', at: T0, kind: 'threw' as const, message: '', stack: '' },
    input: {
      kind: 'readings' as const,
      columns: columnsOf([{ sensor: 's', metric: 'mean', value: 1, ts: T0 }]),
      device: 'gw1',
    },
  };
  await host.event({ kind: 'replay', letter });
  await follow(candidate);
  expect(candidate.comparison).toMatchObject({ steps: 2, differ: 0, outputs: { blue: 2, green: 2 } });
});

test('it goes on from what was kept of it, as if nothing had been', async () => {
  const [blue, green] = [await functionOf('f', counting(1, 50), '1'), await functionOf('f', counting(2, 50), '2')];
  const { host, start, follow } = await startBoth(blue, green);
  let candidate = await start();
  await host.step([1, 20]);
  await follow(candidate);
  const kept = candidate.take()!;
  expect(candidate.take()).toBeUndefined();
  candidate = await start(JSON.parse(JSON.stringify(kept)));
  await host.step([2, 20]);
  await follow(candidate);
  expect(candidate.comparison.example).toMatch(/"value":1,.*"value":2,/);
  expect(JSON.parse(candidate.take()!.state!).states).toEqual([['', expect.objectContaining({ text: '{"n":4}' })]]);
});

test('it takes over with its own state; alerts end and begin where it sees them otherwise, each under a number of its own', async () => {
  const [blue, green] = [await functionOf('f', counting(1, 50), '1'), await functionOf('f', counting(10, 80), '2')];
  const { host, start, follow } = await startBoth(blue, green);
  const candidate = await start();
  const first = await host.step([1, 60, 'a'], [1, 90, 'b']);
  await host.step([2, 20, 'b'], [2, 90, 'c']);
  await follow(candidate);
  const state = takenOverState(host.states.get('f'), candidate.take()!.state!);
  const owner = createFoldHost({ device: 'gw1', sandbox });
  await owner.deploy([blue], host.states, 'again', T0);
  const output = await replaceFold(owner, [blue], green, state, 'switch', T0 + 5_000);
  const [ofA] = first.alerts;
  expect(output.alerts.map(({ state, episode, seq, source }) => [state, episode, seq, source.version])).toEqual([
    ['resolved', ofA!.episode, 2, '2'],
  ]);
  const next = await owner.step({
    position: 'next',
    receivedAt: T0 + 6_000,
    columns: columnsOf([{ sensor: 'd', metric: 'm', value: 90, ts: T0 }]),
  });
  expect(emitted(next)).toEqual(['count 50']);
  expect(next.alerts).toHaveLength(1);
});

test('what it alone had raised is raised when it takes over', async () => {
  const [blue, green] = [await functionOf('f', counting(1, 80), '1'), await functionOf('f', counting(1, 50), '2')];
  const { host, start, follow } = await startBoth(blue, green);
  const candidate = await start();
  await host.step([1, 60, 'a']);
  await follow(candidate);
  const state = takenOverState(host.states.get('f'), candidate.take()!.state!);
  const owner = createFoldHost({ device: 'gw1', sandbox });
  await owner.deploy([blue], host.states, 'again', T0);
  const output = await replaceFold(owner, [blue], green, state, 'switch', T0 + 5_000);
  expect(output.alerts).toMatchObject([{ state: 'firing', seq: 1, summary: 'a: so says f@2, which has taken over' }]);
});

test('one that loops is stopped by itself; the one that runs does not know of it', async () => {
  const [blue, green] = [
    await functionOf('f', counting(1, 50), '1'),
    await functionOf('f', 'timeoutMs: 20, reading() { for (;;); }', '2'),
  ];
  const { host, start, follow } = await startBoth(blue, green);
  const candidate = await start();
  for (let second = 1; second <= 4; second++)
    expect(emitted(await host.step([second, 20]))).toEqual([`count ${second}`]);
  await follow(candidate);
  expect(candidate.quarantined).toMatch(/3 steps in a row had to be stopped/);
  expect(host.status('f')).toMatchObject({ state: 'running', errors: 0 });
});
