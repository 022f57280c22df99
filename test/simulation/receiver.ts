/** Who gets the alerts: a webhook that may be down, slow, or lose its answer. */
import type { Carriers } from '@weir/cloud';
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

type HttpCall = Parameters<Carriers['http']>[0];

/** As long as the hub waits. */
const ANSWER_MS_MAX = 15_000;

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

  take(life: Life, call: HttpCall, signal: AbortSignal, answer: (status: number | Error) => void): void {
    life.onAbort(signal, () => answer(new Error('aborted')));
    this.#timeline.after(this.#dice.exponential(30), () => {
      if (this.#dice.chance(this.faults.downShare)) {
        life.later(20, () => answer(503));
        return;
      }
      this.#keep(call.headers['webhook-id'] ?? '', call.body ?? '');
      if (this.#dice.chance(this.faults.lostAnswerShare)) {
        life.later(ANSWER_MS_MAX, () => answer(new Error('no answer in time')));
      } else life.later(20, () => answer(200));
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
