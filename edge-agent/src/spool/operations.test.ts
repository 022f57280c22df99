import { columnsOf, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import type { KeptDeployment } from '../functions/kept-deployments.ts';
import { arrivalOf, numbered, openInMemory, stepOf } from './spool.fixture.ts';

const publish = (id: string) => ({ id, topic: 'cmd/fan', payload: 'on', qos: 1 as const, retain: false });

test('the journal gives back what arrived, in order, from any position', () => {
  const ops = openInMemory();
  const ids = [0, 10, 20].map((from) => ops.append(arrivalOf(numbered(from, 10))).id);
  const { groups } = ops.journalAfter(ids[0]!, 10);
  expect(groups.map(({ id }) => id)).toEqual([ids[1]]);
  expect([...readingsOf(groups[0]!.columns)]).toEqual(numbered(10, 10));
  expect(ops.journalAfter(0, 1_000).groups.map(({ id }) => id)).toEqual(ids);
});

test('a position never comes back after its row is gone', () => {
  const ops = openInMemory();
  const { id } = ops.append(arrivalOf(numbered(0, 1)));
  ops.commitStep(stepOf(1, { through: id }));
  ops.acknowledge('live', 1);
  expect(ops.append(arrivalOf(numbered(1, 1))).id).toBeGreaterThan(id);
});

test('state, outputs and position change together; a step that skips one before it is refused whole', () => {
  const ops = openInMemory();
  const { id } = ops.append(arrivalOf(numbered(0, 2)));
  const step = { through: id, states: [{ fold: 'f', json: '{"n":2}' }], emitted: columnsOf(numbered(9, 1)) };
  expect(() => ops.commitStep(stepOf(2, step))).toThrow('step 2 does not follow step 0');
  expect(ops.state()).toMatchObject({ position: 0, step: 0, states: new Map() });
  ops.commitStep(stepOf(1, { ...step, publishes: [publish('f:1:0')] }));
  expect(ops.state()).toMatchObject({ position: id, step: 1, journalBytes: 0, publishes: [publish('f:1:0')] });
  expect(ops.state().states).toEqual(new Map([['f', '{"n":2}']]));
  expect(ops.counts()).toMatchObject({ accepted: 2, lanes: [{}, { lane: 'live', items: 3 }, {}, {}] });
  ops.commitStep(stepOf(2, { states: [{ fold: 'f', json: null }] }));
  expect(ops.state().states).toEqual(new Map());
});

test('publishes wait until they are done; over the bound the oldest are dropped and counted', () => {
  const ops = openInMemory({ publishesMax: 3 });
  ops.commitStep(stepOf(1, { publishes: [0, 1, 2, 3, 4].map((n) => publish(`p${n}`)) }));
  expect(ops.state().publishes.map(({ id }) => id)).toEqual(['p2', 'p3', 'p4']);
  expect(ops.counts()).toMatchObject({ publishesWaiting: 3, publishesDropped: 2 });
  ops.publishesDone(['p2', 'p3']);
  expect(ops.state().publishes.map(({ id }) => id)).toEqual(['p4']);
});

test('refused payloads are counted for ever; the last thousand are kept to look at', () => {
  const ops = openInMemory();
  const refusal = (n: number) => ({
    at: n,
    topic: `t/${n}`,
    reason: 'empty',
    detail: 'd',
    head: new Uint8Array([n & 255]),
  });
  for (let n = 0; n < 1_100; n += 10) {
    const last = Array.from({ length: 10 }, (_, i) => refusal(n + i));
    ops.append({
      columns: undefined,
      receivedAt: 0,
      future: 0,
      refused: { counts: { empty: 10, 'not-finite': 1 }, last },
    });
  }
  expect(ops.counts().refused).toEqual({ empty: 1_100, 'not-finite': 110 });
  const kept = ops.lastRefused(5_000);
  expect(kept.length).toBe(1_000);
  expect(kept[0]).toMatchObject({ topic: 't/1099' });
});

test('bundles stay while something needs them', () => {
  const ops = openInMemory();
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
  for (const hash of [a, b, c]) ops.stageBundle(hash, new Uint8Array([1]));
  const running = [{ name: 'f', hash: a, config: '{}', quarantined: null }];
  ops.commitStep(stepOf(1, { deployed: { running, hashesNeeded: [b] } }));
  expect([a, b, c].map((hash) => ops.bundle(hash) !== undefined)).toEqual([true, true, false]);
});

test('the last good version is kept with its state of when it was replaced, whatever becomes of the state since', () => {
  const ops = openInMemory();
  const [good, next, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
  for (const hash of [good, next]) ops.stageBundle(hash, new Uint8Array([1]));
  const first: KeptDeployment = { name: 'f', hash: good, config: '{}', quarantined: null, proven: true };
  ops.commitStep(stepOf(1, { deployed: { running: [first] }, states: [{ fold: 'f', json: '1' }] }));
  const second: KeptDeployment = { name: 'f', hash: next, config: '{}', quarantined: null };
  second.lastGood = { hash: good, config: '{}' };
  const taken = { running: [second], saves: ['f'], hashesNeeded: [] };
  ops.commitStep(stepOf(2, { deployed: taken, states: [{ fold: 'f', json: '2' }] }));
  ops.commitStep(stepOf(3, { states: [{ fold: 'f', json: '3' }] }));
  expect(ops.foldStates('f')).toEqual({ current: '3', saved: '1' });
  expect(ops.state().deployments).toEqual([second]);
  expect(ops.bundle(good)).toBeDefined();

  // A third comes before the second has proven itself.
  const impatient = { ...second, hash: third };
  ops.commitStep(stepOf(4, { deployed: { running: [impatient] } }));
  expect(ops.foldStates('f')).toEqual({ current: '3', saved: '1' });

  const failed = { hash: third, config: '{}', version: '3', state: 'quarantined', reason: 'loops' } as const;
  const fallen = { ...first, failed };
  ops.commitStep(stepOf(5, { deployed: { running: [fallen], hashesNeeded: [] } }));
  expect(ops.state().deployments).toEqual([fallen]);
  expect(ops.foldStates('f').saved).toBeUndefined();
  expect([good, next].map((hash) => ops.bundle(hash) !== undefined)).toEqual([true, false]);
  ops.commitStep(stepOf(6, { deployed: { running: [] } }));
  expect(ops.state().deployments).toEqual([]);
});
