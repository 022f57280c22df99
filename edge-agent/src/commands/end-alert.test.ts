import { emptyStepOutput } from '@weir/runtime';
import { expect, test } from 'vitest';
import type { OfferedEvent } from '../functions/event-queue.ts';
import { endAlert } from './end-alert.ts';

const running = (isOpen: boolean) => {
  const offered: OfferedEvent[] = [];
  const command = endAlert({
    async offerEvent(event) {
      offered.push(event);
      if (typeof event.settled === 'function') event.settled(isOpen ? emptyStepOutput() : undefined);
    },
  });
  return { offered, command };
};

test('an episode that is ended at the hub is an event for whoever has it open, under one position however often it comes', async () => {
  const { offered, command } = running(true);
  expect(await command({ episode: 'episode0001' })).toEqual({ outcome: 'done' });
  await command({ episode: 'episode0001' });
  expect(offered.map(({ event }) => event)).toEqual(Array(2).fill({ kind: 'end', episode: 'episode0001' }));
  expect(new Set(offered.map(({ position }) => position)).size).toBe(1);
});

test('one that nobody has open is done, and it is said so; what is no episode is refused', async () => {
  const { offered, command } = running(false);
  expect(await command({ episode: 'episode0001' })).toMatchObject({ outcome: 'done', detail: expect.any(String) });
  expect(await command({ episode: 7 })).toMatchObject({ outcome: 'failed' });
  expect(await command(null)).toMatchObject({ outcome: 'failed' });
  expect(offered).toHaveLength(1);
});
