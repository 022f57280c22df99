/**
 * Learns the time from the hub: an answer to who asks for a shadow says when it was made, at home and on AWS IoT.
 *
 * As long as time is not known, a connection counts as open only when the hub was asked and all that had been stamped
 * until then is set right: nothing leaves with a wrong time that could have the right one. A hub that does not answer
 * is waited for so long, and no longer.
 */
import { shadowPrefix, WEIR_SHADOW } from '@weir/protocols';
import type { Link, LinkEvents, OpenLink } from '../uplink/link.ts';
import { askAgainMs, type Bounds, boundsOf, narrowed } from './bounds.ts';
import type { Clock } from './clock.ts';

/** As the agent's clock has it. */
export interface HubTimeKeeper {
  readonly isKnown: boolean;
  readonly isWallWrong: boolean;
  /** Resolves when what was stamped before is set right. */
  learn(bounds: Bounds): Promise<void>;
}

export interface HubTimeLimits {
  /** How long a connection waits to be told, ms. */
  hubWait: number;
  /** How often it asks when it is open. */
  ask: number;
}

interface Question {
  token: string;
  sentAt: number;
  answered: (answer: { bounds: Bounds; roundTripMs: number }) => void;
}

/** Halving a second so often leaves what the way to the hub leaves open. */
const QUESTIONS_MAX = 6;
/** What the hub sends to a connection that is not open yet: more than it has under way to one device. */
const HELD_MAX = 200;
/** So long it may take to set right what was stamped; what is sent then bears the mark of a time that is not known. */
const SETTLE_MS = 60_000;

/** A decorator of the way to the hub, at whose far end nobody notices it. */
export function teachingLink(
  openLink: OpenLink,
  device: string,
  time: HubTimeKeeper,
  clock: Clock,
  limits: HubTimeLimits,
): OpenLink {
  return (subscriptions, events) => new TeachingLink(openLink, device, time, clock, limits).open(subscriptions, events);
}

class TeachingLink {
  #openLink: OpenLink;
  #prefix: string;
  #time: HubTimeKeeper;
  #clock: Clock;
  #limits: HubTimeLimits;
  #link: Link | undefined;
  #events: LinkEvents | undefined;
  #question: Question | undefined;
  #asked = 0;
  /** By the answers on this connection before it was open. */
  #known: Bounds | undefined;
  #held: [topic: string, payload: Uint8Array][] = [];
  #isOpen = false;
  #ended = false;
  #cancels: (() => void)[] = [];

  constructor(openLink: OpenLink, device: string, time: HubTimeKeeper, clock: Clock, limits: HubTimeLimits) {
    this.#openLink = openLink;
    this.#prefix = `${shadowPrefix(device, WEIR_SHADOW)}/get`;
    this.#time = time;
    this.#clock = clock;
    this.#limits = limits;
  }

  open(subscriptions: readonly string[], events: LinkEvents): Link {
    this.#events = events;
    const answers = [`${this.#prefix}/accepted`, `${this.#prefix}/rejected`];
    this.#link = this.#openLink([...new Set([...subscriptions, ...answers])], {
      onOpen: () => void this.#begin(),
      onMessage: (topic, payload) => this.#onMessage(topic, payload),
      onClosed: (reason) => {
        this.#end();
        events.onClosed(reason);
      },
    });
    const link = this.#link;
    return {
      publish: (topic, payload) => link.publish(topic, payload),
      ...(link.wireBytes !== undefined && { wireBytes: () => link.wireBytes!() }),
      close: () => {
        this.#end();
        link.close();
      },
    };
  }

  async #begin(): Promise<void> {
    if (!this.#time.isKnown) {
      await this.#within(this.#limits.hubWait, this.#askClosely());
      const bounds = this.#known;
      if (bounds !== undefined && !this.#ended) await this.#within(SETTLE_MS, this.#time.learn(bounds));
    }
    if (this.#ended) return;
    this.#isOpen = true;
    this.#events!.onOpen();
    for (const [topic, payload] of this.#held.splice(0)) this.#events!.onMessage(topic, payload);
    this.#askAgain(0);
  }

  #end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels.splice(0)) cancel();
  }

  #onMessage(topic: string, payload: Uint8Array): void {
    if (topic.startsWith(this.#prefix) && this.#takeAnswer(payload)) return;
    if (this.#isOpen) this.#events!.onMessage(topic, payload);
    else if (this.#held.length < HELD_MAX) this.#held.push([topic, payload]);
  }

  /** @returns whether it answers the question asked here */
  #takeAnswer(payload: Uint8Array): boolean {
    const receivedAt = this.#clock.monotonic();
    const { clientToken, timestamp: seconds } = parse(payload);
    if (typeof clientToken !== 'string' || !clientToken.startsWith(TOKEN)) return false;
    const question = this.#question;
    if (question?.token !== clientToken || typeof seconds !== 'number') return true;
    this.#question = undefined;
    const { sentAt } = question;
    question.answered({ bounds: boundsOf({ sentAt, receivedAt, seconds }), roundTripMs: receivedAt - sentAt });
    return true;
  }

  /** Never resolves when there is no answer. */
  #ask(): Promise<{ bounds: Bounds; roundTripMs: number }> {
    return new Promise((answered) => {
      const token = `${TOKEN}${++this.#asked}`;
      this.#question = { token, sentAt: this.#clock.monotonic(), answered };
      this.#link!.publish(this.#prefix, Buffer.from(JSON.stringify({ clientToken: token }))).catch(() => {});
    });
  }

  /** Several times, until nothing is gained by it. */
  async #askClosely(): Promise<void> {
    const lastAt = this.#clock.monotonic() + this.#limits.hubWait / 2;
    for (let questions = 1; !this.#ended; questions++) {
      const { bounds, roundTripMs } = await this.#ask();
      this.#known = narrowed(this.#known, bounds);
      const now = this.#clock.monotonic();
      const waitMs = askAgainMs(this.#known, now, roundTripMs);
      if (waitMs === undefined || questions >= QUESTIONS_MAX || now + waitMs > lastAt) return;
      await new Promise<void>((resolve) => this.#later(waitMs, resolve));
    }
  }

  #askAgain(ms: number): void {
    this.#later(ms, () => {
      void this.#ask().then(({ bounds }) => {
        if (!this.#ended) void this.#time.learn(bounds);
      });
      this.#askAgain(this.#time.isKnown && !this.#time.isWallWrong ? this.#limits.ask : SOON_MS);
    });
  }

  #later(ms: number, run: () => void): () => void {
    const cancel = this.#clock.after(ms, () => {
      this.#cancels = this.#cancels.filter((each) => each !== cancel);
      run();
    });
    this.#cancels.push(cancel);
    return cancel;
  }

  /** @returns undefined when it takes longer */
  #within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const cancel = this.#later(ms, () => resolve(undefined));
      void work.then((value) => {
        cancel();
        resolve(value);
      });
    });
  }
}

const TOKEN = 'clock-';
/** While the time is not known, or the machine's clock says another. */
const SOON_MS = 30_000;

function parse(payload: Uint8Array): { clientToken?: unknown; timestamp?: unknown } {
  try {
    return (JSON.parse(Buffer.from(payload).toString('utf8')) as object | null) ?? {};
  } catch {
    return {};
  }
}
