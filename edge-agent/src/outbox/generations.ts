/**
 * Words for what is numbered anew: runs in the database thread.
 *
 *     copied      100 … 159 as they were made
 *     since       100 … 104 of generation `r.1`, thinned out          sent, and the device is put back to the copy
 *     put back    100 … 159 as they were made                         other items: the hub must not take them for sent
 *
 * Within a generation no number is given to two items, and no other run of the agent gives the same word.
 */
import { type Lane, parseEpoch } from '@weir/protocols';

/** Rows that are about to be numbered anew. */
export interface Renumbered {
  /** Of the first item. */
  seq: number;
  /** One more than the last, before. */
  through: number;
  /** What they begin with and what keeps its numbers: of which generation it is, and where the next row begins. */
  kept?: { generation: string | null; through: number } | undefined;
}

interface Known {
  count: number;
  /** No number from here on is of this generation. */
  front: number;
}

export class Generations {
  readonly #run: string;
  #known = new Map<Lane, Known>();

  /** @param epoch of what is numbered now */
  constructor(epoch: string) {
    const { life, run } = parseEpoch(epoch);
    this.#run = run === '' ? life : run;
  }

  /** @returns the word of what they become */
  next(lane: Lane, { seq, through, kept }: Renumbered): string {
    const known = this.#known.get(lane) ?? { count: 1, front: 0 };
    // Behind the last row of a generation are numbers that it has not given.
    const isMore = kept !== undefined && kept.generation === this.#word(known.count) && kept.through >= known.front;
    const isFree = isMore || seq >= known.front;
    const count = isFree ? known.count : known.count + 1;
    this.#known.set(lane, { count, front: through });
    return this.#word(count);
  }

  #word(count: number): string {
    return `${this.#run}_${count}`;
  }
}
