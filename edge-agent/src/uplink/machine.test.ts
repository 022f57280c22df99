import type { Lane } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { answerAll, LIMITS, openWorld, World } from './world.fixture.ts';

describe('what goes first', () => {
  test('a place is kept for an alert, and one for a report, however long the backlog is', () => {
    const world = openWorld();
    world.state = { ...world.state, pace: { ...world.state.pace, windowBytes: 6_000 } };
    world.add('backfill', 1_000);
    world.add('live', 1_000);
    answerAll(world);
    expect(world.state.window.length).toBe(LIMITS.windowBatches - 2);
    for (const lane of ['report', 'alert'] as const) {
      world.add(lane, 1);
      answerAll(world);
      expect(world.sent.at(-1)!.batch.lane).toBe(lane);
    }
  });

  test('reports pass while readings never end and alerts come, and readings while reports never end', () => {
    const world = openWorld();
    const delivered = (lane: Lane) => world.received[lane].size;
    world.add('report', 30);
    for (let round = 0; round < 300; round++) {
      world.add('live', 30);
      if (round % 4 === 0) world.add('alert', 3);
      answerAll(world);
      world.receive(round, false);
    }
    expect(delivered('report')).toBe(30);
    const before = delivered('live');
    for (let round = 0; round < 200; round++) {
      world.add('report', 30);
      answerAll(world);
      world.receive(round, false);
    }
    expect(delivered('live') - before).toBeGreaterThan(200);
  });

  test('on a thin line an alert waits behind a few small batches, not behind a full window', () => {
    const world = openWorld();
    world.add('backfill', 100_000);
    for (let round = 0; round < 50; round++) {
      answerAll(world);
      world.tick(4_000);
      world.receive(0, false);
    }
    answerAll(world);
    const bytes = world.state.window.reduce((sum, batch) => sum + batch.bytes, 0);
    expect(bytes).toBeLessThanOrEqual(4 * LIMITS.batchBytesMin);
  });

  test('the backlog waits for a hub that is behind with it, goes in small pieces then, and nothing else is held up', () => {
    const world = openWorld();
    answerAll(world);
    world.paced(2_000, 1);
    world.add('backfill', 100);
    world.add('live', 2);
    world.add('alert', 1);
    answerAll(world);
    expect(world.sent.map(({ batch }) => batch.lane).sort()).toEqual(['alert', 'live']);
    world.tick(1_999);
    answerAll(world);
    expect(world.backfilled).toEqual([]);
    world.tick(1);
    answerAll(world);
    expect(world.backfilled.map(({ count }) => count)).toEqual([1, 1]);
    world.paced(2_000, 1);
    world.receive(3, false);
    world.receive(2, false);
    answerAll(world);
    expect(world.backfilled).toHaveLength(2);
    world.paced(0);
    answerAll(world);
    expect(world.backfilled.slice(2).every(({ count }) => count > 1)).toBe(true);
    expect(world.backfilled.length).toBeGreaterThan(2);
  });

  test('another connection is of a hub that has said nothing', () => {
    const world = openWorld();
    world.paced(60_000, 1);
    world.lose(world.state.connection);
    world.retry();
    world.opened();
    world.add('backfill', 100);
    answerAll(world);
    expect(world.backfilled.length).toBeGreaterThan(0);
  });

  test('while fresh readings come the backlog rests four times as long as a look at it took, and it does not when none come', () => {
    const world = openWorld();
    answerAll(world);
    world.add('backfill', 100_000);
    const lookFor = (ms: number) => world.answerAfter(ms);
    const isAsked = () => world.loads.some(({ room }) => room.backfill > 0);
    lookFor(3);
    expect(isAsked()).toBe(true);
    answerAll(world);
    while (world.sent.length > 0) world.receive(0, false);
    world.add('live', 1);
    // What is fresh, alone; then the backlog.
    while (world.sent.at(-1)?.batch.lane !== 'live') world.answer();
    expect(isAsked()).toBe(true);
    lookFor(3);
    for (let rested = 0; rested < 12; rested++) {
      expect(isAsked(), `after ${rested} ms`).toBe(false);
      answerAll(world);
      world.receive(0, false);
      world.tick(1);
    }
    expect(isAsked()).toBe(true);
    // A disk that stalled is no reason to stand still for as long again.
    lookFor(9_000);
    answerAll(world);
    world.tick(24);
    expect(isAsked()).toBe(false);
    world.tick(1);
    expect(isAsked()).toBe(true);
    // Fresh readings are long ago.
    const delivered = () => {
      while (world.sent.length > 0) world.receive(0, false);
    };
    delivered();
    lookFor(1_000);
    delivered();
    answerAll(world);
    expect(isAsked() || world.sent.at(-1)?.batch.lane === 'backfill').toBe(true);
    expect(world.state.yielding.restsUntil).toBeLessThan(world.now);
  });

  test('what is fresh does not wait until the backlog is cut, nor does the backlog until nothing is fresh any more', () => {
    const world = openWorld();
    answerAll(world);
    world.add('backfill', 1_000);
    const looks: string[] = [];
    for (let round = 0; round < 40; round++) {
      world.add('live', 1);
      const before = world.sent.length;
      world.answer();
      const found = world.sent.slice(before).map(({ batch }) => batch.lane);
      looks.push(found.join('+'));
      while (world.sent.length > 0) world.receive(0, false);
    }
    expect(looks).toContain('live');
    expect(world.received.live.size).toBeGreaterThanOrEqual(39);
    expect(looks.filter((look) => look.includes('backfill')).length).toBeGreaterThan(15);
  });

  test('the backlog is sent at its rate, and what is fresh is not held up by that', () => {
    const world = openWorld({ backfillPerSecond: 10 });
    world.add('backfill', 1_000);
    for (let second = 0; second < 60; second++) {
      world.add('live', 1);
      for (let round = 0; round < 10; round++) {
        answerAll(world);
        world.receive(0, false);
      }
      world.tick();
    }
    expect(world.received.live.size).toBe(60);
    expect(world.received.backfill.size).toBeGreaterThan(500);
    expect(world.received.backfill.size).toBeLessThanOrEqual(10 + 60 * 10);
    const burst = Math.max(...world.backfilled.map(({ count }) => count));
    expect(burst).toBeLessThanOrEqual(10);
  });
});

describe('a line that is dead', () => {
  test('is found by acknowledgements that do not come, whatever TCP says', () => {
    const world = openWorld();
    world.add('live', 1);
    answerAll(world);
    world.receive(0, false);
    world.add('live', 1);
    answerAll(world);
    world.tick(LIMITS.ackTimeoutMin);
    expect(world.state.phase).toBe('open');
    world.tick(1);
    expect(world.state).toMatchObject({ phase: 'waiting', reason: 'the hub did not acknowledge in time' });
    expect(world.links.size).toBe(0);
  });

  test('is not taken for one while something is acknowledged, be it slowly', () => {
    const world = openWorld();
    world.add('live', 1_000);
    // What it did until now says nothing of that.
    for (let round = 0; round < 20; round++) {
      answerAll(world);
      world.receive(0, false);
    }
    for (let round = 0; round < 20; round++) {
      answerAll(world);
      world.tick(LIMITS.ackTimeoutMin - 1_000);
      world.receive(0, false);
      expect(world.state.phase).toBe('open');
    }
  });

  test('is given longer each time, so that the thinnest is used in the end', () => {
    const world = openWorld();
    world.add('live', 1);
    const patience: number[] = [];
    for (let round = 0; round < 7; round++) {
      answerAll(world);
      const sentAt = world.now;
      while (world.state.phase === 'open') world.tick();
      patience.push(Math.round((world.now - sentAt) / 1_000));
      world.retry();
      world.opened();
    }
    expect(patience).toEqual([61, 11, 21, 41, 61, 61, 61]);
    answerAll(world);
    world.tick(50_000);
    world.receive(0, false);
    expect(world.acked.live).toBe(1);
  });

  test('is found while it comes up, too', () => {
    const world = new World();
    world.handle({ type: 'start' });
    world.tick(LIMITS.openTimeout + 1);
    expect(world.state).toMatchObject({ phase: 'waiting', reason: 'the hub did not answer in time' });
  });
});

describe('new credentials', () => {
  test('are changed over to while the old connection goes on', () => {
    const world = openWorld();
    world.add('live', 2);
    answerAll(world);
    world.handle({ type: 'renewed' });
    expect(world.state.phase).toBe('changing');
    world.receive(0, false);
    expect(world.acked.live).toBe(2);
    world.add('live', 2);
    answerAll(world);
    world.opened();
    expect([...world.links]).toEqual([[2, 'open']]);
    world.settle();
    expect(world.acked.live).toBe(4);
  });

  test('that the hub does not take leave the connection as it is', () => {
    const world = openWorld();
    world.handle({ type: 'renewed' });
    world.lose(2);
    expect(world.state).toMatchObject({ phase: 'open', connection: 1 });
    world.handle({ type: 'renewed' });
    world.tick(LIMITS.openTimeout + 1);
    expect([...world.links]).toEqual([[1, 'open']]);
  });

  test('have as long to be taken as any, however long the old connection is up, and it counts as up since then', () => {
    const world = openWorld();
    const { since } = world.state;
    world.tick(10 * LIMITS.openTimeout);
    world.handle({ type: 'renewed' });
    world.tick();
    expect(world.state.phase).toBe('changing');
    world.opened();
    expect(world.state).toMatchObject({ phase: 'open', connection: 2, since });
  });

  test('are changed over to also when the hub ends the old connection first', () => {
    const world = openWorld();
    world.add('live', 2);
    answerAll(world);
    world.handle({ type: 'renewed' });
    world.lose(1);
    expect(world.state).toMatchObject({ phase: 'opening', connection: 2 });
    world.settle();
    expect(world.acked.live).toBe(2);
    expect(world.allWaits).toEqual([]);
  });
});

test('an outbox that could not be read is asked again although nothing changes', () => {
  const world = openWorld();
  world.next.live = 1;
  world.answer(false);
  expect(world.loads).toEqual([]);
  world.tick();
  answerAll(world);
  expect(world.sent.length).toBe(1);
});

test('late news of an earlier connection are not taken for news of this one', () => {
  const world = openWorld();
  world.add('live', 1);
  answerAll(world);
  const { connection, number } = world.sent[0]!;
  world.lose(connection);
  world.retry();
  world.opened();
  world.handle({ type: 'acked', connection, number });
  expect(world.acked.live).toBe(0);
  world.settle();
  expect(world.acked.live).toBe(1);
});

test('an uplink that is stopped does nothing any more', () => {
  const world = openWorld();
  world.handle({ type: 'stop' });
  for (const type of ['retry', 'tick', 'changed', 'renewed'] as const) world.handle({ type });
  world.handle({ type: 'closed', connection: 1, reason: 'late' });
  expect(world.state.phase).toBe('stopped');
  expect(world.links.size).toBe(0);
});
