/** Who gets the alerts: a webhook that may be down, slow, or lose its answer. */
import type { Message, Outcome, PostOptions } from '@weir/cloud';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';
import type { Timeline } from './timeline.ts';

export interface ReceiverFaults {
  /** Of messages that it refuses to take just now. */
  downShare: number;
  /** Of messages that it takes, without its answer ever arriving. */
  lostAnswerShare: number;
}

export interface Delivered {
  id: string;
  body: string;
  times: number;
}

export class Receiver {
  readonly faults: ReceiverFaults = { downShare: 0, lostAnswerShare: 0 };
  /** By idempotency key. */
  readonly delivered = new Map<string, Delivered>();
  /** Keys under which two different things came. */
  readonly contradictions: string[] = [];
  readonly #timeline: Timeline;
  readonly #dice: Dice;

  constructor(timeline: Timeline, dice: Dice) {
    this.#timeline = timeline;
    this.#dice = dice;
  }

  take(life: Life, { id, body }: Message, options: PostOptions, answer: (outcome: Outcome) => void): void {
    const { timeoutMs, signal } = options;
    signal.addEventListener('abort', () => answer({ kind: 'stopped' }));
    this.#timeline.after(this.#dice.exponential(30), () => {
      if (this.#dice.chance(this.faults.downShare)) {
        life.later(20, () => answer({ kind: 'unavailable', detail: 'HTTP 503' }));
        return;
      }
      this.#keep(id, body);
      if (this.#dice.chance(this.faults.lostAnswerShare)) {
        life.later(timeoutMs, () => answer({ kind: 'unavailable', detail: 'no answer in time' }));
      } else life.later(20, () => answer({ kind: 'delivered', detail: 'HTTP 200' }));
    });
  }

  #keep(id: string, body: string): void {
    const known = this.delivered.get(id);
    if (known === undefined) this.delivered.set(id, { id, body, times: 1 });
    else {
      known.times++;
      if (known.body !== body) this.contradictions.push(`${id}: ${known.body} and then ${body}`);
    }
  }
}
