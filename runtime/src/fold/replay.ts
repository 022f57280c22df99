/** What a dead letter is called while it is run again, however often. */
import { eventPosition } from './event-position.ts';
import type { DeadLetter } from './fold.ts';

/** @param replays how often it was run again before: each run has a position of its own */
export function replayPosition(letter: string, replays: number): string {
  return eventPosition('replay', `${letter} ${replays}`);
}

/** Of the letters that a replay led to, the one that is left of the letter itself: it goes on as that. */
export function leftOfReplay(
  letters: readonly DeadLetter[],
  { fold, position }: { fold: string; position: string },
): DeadLetter | undefined {
  return letters.find(({ id }) => id === `${fold}:${position}`);
}
