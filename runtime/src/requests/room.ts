/** How much each function may leave waiting: one that asks for too much takes no room from its neighbours. */
import { URL_CHARS_MAX } from '@weir/protocols';
import type { HttpRequest } from '../fold/fold.ts';
import type { WaitingRequest } from './requests.ts';

export interface RoomLimits {
  /** Requests of one function that wait to be sent. */
  waitingMax: number;
  /** Their size. */
  waitingBytesMax: number;
}

/** For each that may wait to be sent so many may wait to be told that there was no room. Beyond it nobody is told. */
const REFUSED_PER_WAITING = 5;

interface Used {
  waiting: number;
  bytes: number;
  refused: number;
}

export interface Admitted {
  /** To be kept by the commit of the step that made them. */
  kept: WaitingRequest[];
  /** Kept to be answered with an error, for there was no room. */
  overflowed: number;
  /** Neither kept nor answered. */
  dropped: number;
}

export class RequestRoom {
  readonly #limits: RoomLimits;
  readonly #used = new Map<string, Used>();
  #waiting = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** Requests that wait, those that wait to be refused too. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * @param owner as in {@link WaitingRequest}
   * @param refusal why a request is not sent, whatever room there is
   */
  admit(
    owner: string,
    requests: readonly HttpRequest[],
    refusal: (request: HttpRequest) => string | undefined,
  ): Admitted {
    const admitted: Admitted = { kept: [], overflowed: 0, dropped: 0 };
    for (const request of requests) {
      const used = this.#usedBy(owner, request.fold);
      const overflow = this.#overflow(used, request);
      const refused = refusal(request) ?? overflow;
      if (refused !== undefined && used.refused >= this.#limits.waitingMax * REFUSED_PER_WAITING) {
        admitted.dropped++;
        continue;
      }
      if (overflow !== undefined) admitted.overflowed++;
      const waiting = refused === undefined ? { owner, request } : { owner, request: withoutBody(request), refused };
      this.#add(waiting);
      admitted.kept.push(waiting);
    }
    return admitted;
  }

  /** Those that were answered. */
  release(waiting: readonly WaitingRequest[]): void {
    for (const each of waiting) this.#count(each, -1);
  }

  /** What waits according to the database. */
  reset(waiting: readonly WaitingRequest[]): void {
    this.#used.clear();
    this.#waiting = 0;
    for (const each of waiting) this.#add(each);
  }

  #add(waiting: WaitingRequest): void {
    this.#count(waiting, 1);
  }

  #count(waiting: WaitingRequest, sign: 1 | -1): void {
    const { owner, request, refused } = waiting;
    const used = this.#usedBy(owner, request.fold);
    if (refused !== undefined) used.refused += sign;
    else {
      used.waiting += sign;
      used.bytes += sign * sizeOf(request);
    }
    this.#waiting += sign;
    if (used.waiting <= 0 && used.refused <= 0) this.#used.delete(keyOf(owner, request.fold));
  }

  #overflow(used: Used, request: HttpRequest): string | undefined {
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (used.waiting >= waitingMax) {
      return `${used.waiting} requests of this function wait already: ask more slowly, or raise functions.requests.waitingMax`;
    }
    const bytes = used.bytes + sizeOf(request);
    if (bytes <= waitingBytesMax) return undefined;
    return `the waiting requests of this function would have ${bytes} bytes, over functions.requests.waitingBytesMax`;
  }

  #usedBy(owner: string, fold: string): Used {
    const key = keyOf(owner, fold);
    let used = this.#used.get(key);
    if (used === undefined) {
      used = { waiting: 0, bytes: 0, refused: 0 };
      this.#used.set(key, used);
    }
    return used;
  }
}

function keyOf(owner: string, fold: string): string {
  return `${owner}\0${fold}`;
}

/** About; texts are counted as they are in memory. */
function sizeOf({ url, headers, body = '' }: HttpRequest): number {
  return url.length + body.length + JSON.stringify(headers).length;
}

/** What is not sent needs nothing but its name. */
function withoutBody({ body: _, ...request }: HttpRequest): HttpRequest {
  return { ...request, url: request.url.slice(0, URL_CHARS_MAX), headers: {} };
}
