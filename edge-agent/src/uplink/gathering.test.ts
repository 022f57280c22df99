import { describe, expect, test } from 'vitest';
import { answerAll, openWorld } from './world.fixture.ts';

describe('where readings are gathered', () => {
  test('they go together, and alerts at once', () => {
    const world = openWorld({ gather: 10_000 });
    answerAll(world);
    const sent: string[] = [];
    for (let second = 0; second < 30; second++) {
      world.add('live', 1);
      if (second === 15) world.add('alert', 1);
      answerAll(world);
      for (; world.sent.length > 0; answerAll(world)) {
        sent.push(`${second} ${world.sent[0]!.batch.lane}`);
        world.receive(0, false);
      }
      world.tick();
      answerAll(world);
    }
    expect([...new Set(sent)]).toEqual(['10 live', '15 alert', '20 live']);
    expect(world.acked.live).toBe(20);
  });

  test('those that waited for a connection go as soon as there is one', () => {
    const world = openWorld({ gather: 60_000 });
    answerAll(world);
    world.lose(world.state.connection);
    world.add('live', 5);
    world.retry();
    world.opened();
    answerAll(world);
    expect(world.sent.map(({ batch }) => batch.count)).toEqual([2, 2, 1]);
  });

  test('a backlog goes as fast as the line takes it: one at a time waited for what was gathered meanwhile', () => {
    const world = openWorld({ gather: 10_000, backfillBatches: 1 });
    answerAll(world);
    world.add('backfill', 1_000);
    world.add('live', 1);
    world.tick(10_000);
    answerAll(world);
    for (let round = 0; round < 1_000 && world.sent.length > 0; round++) {
      world.add('live', 1);
      answerAll(world);
      world.receive(0, false);
      answerAll(world);
    }
    expect(world.acked.backfill).toBe(1_000);
    // What was there when the first went; the others are gathered.
    expect(world.acked.live).toBeLessThan(world.next.live);
    world.settle();
    expect(world.acked.live).toBe(world.next.live);
  });

  test('where the line is full of the backlog, that goes on when some of it is acknowledged', () => {
    const world = openWorld({ gather: 60_000, windowBatches: 12, backfillBatches: 8 });
    answerAll(world);
    world.add('backfill', 1_000);
    world.tick(60_000);
    world.add('live', 1);
    for (let round = 0; round < 1_000; round++) {
      // What is fresh is gathered, and the looks at the backlog have no room for it.
      answerAll(world);
      world.handle({ type: 'changed' });
      answerAll(world);
      if (world.sent.length > 0) world.receive(0, false);
    }
    expect(world.acked.backfill).toBe(1_000);
  });

  test('a backlog goes at its rate, and when the hub wants it again', () => {
    const world = openWorld({ gather: 30_000, backfillPerSecond: 10 });
    answerAll(world);
    world.add('backfill', 100);
    world.tick(30_000);
    for (let second = 0; second < 15; second++) {
      world.add('live', 1);
      answerAll(world);
      for (; world.sent.length > 0; answerAll(world)) world.receive(0, false);
      if (second === 5) world.paced(2_000);
      world.tick(1_000);
    }
    expect(world.acked.backfill).toBe(100);
  });
});
