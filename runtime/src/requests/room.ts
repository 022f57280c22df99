/** How much each function, and all of them together, may leave waiting: one that asks for too much is told first. */
import { URL_CHARS_MAX } from '@weir/protocols';
import type { HttpRequest } from '../fold/fold.ts';
import type { WaitingRequest } from './requests.ts';

export interface RoomLimits {
  /** Requests of one function that wait to be sent. */
  waitingMax: number;
  /** Their size. */
  waitingBytesMax: number;
  /** The same of all functions together. */
  totalMax: number;
  totalBytesMax: number;
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
  /** Of all functions. */
  #total: Used = { waiting: 0, bytes: 0, refused: 0 };

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** Requests that wait, those that wait to be refused too. */
  get waiting(): number {
    return this.#total.waiting + this.#total.refused;
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
      if (refused !== undefined && !this.#mayRefuse(used)) {
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
    this.#total = { waiting: 0, bytes: 0, refused: 0 };
    for (const each of waiting) this.#add(each);
  }

  #add(waiting: WaitingRequest): void {
    this.#count(waiting, 1);
  }

  #count({ owner, request, refused }: WaitingRequest, sign: 1 | -1): void {
    const used = this.#usedBy(owner, request.fold);
    for (const each of [used, this.#total]) {
      if (refused !== undefined) each.refused += sign;
      else {
        each.waiting += sign;
        each.bytes += sign * sizeOf(request);
      }
    }
    if (used.waiting <= 0 && used.refused <= 0) this.#used.delete(keyOf(owner, request.fold));
  }

  #mayRefuse({ refused }: Used): boolean {
    const { waitingMax, totalMax } = this.#limits;
    return refused < waitingMax * REFUSED_PER_WAITING && this.#total.refused < totalMax * REFUSED_PER_WAITING;
  }

  #overflow(used: Used, request: HttpRequest): string | undefined {
    const { waitingMax, waitingBytesMax, totalMax, totalBytesMax } = this.#limits;
    if (used.waiting >= waitingMax) {
      return `${used.waiting} requests of this function wait already: ask more slowly, or raise functions.requests.waitingMax`;
    }
    if (this.#total.waiting >= totalMax) {
      return `${this.#total.waiting} requests of all functions wait already, over functions.requests.totalMax`;
    }
    const size = sizeOf(request);
    if (used.bytes + size > waitingBytesMax) {
      return `the waiting requests of this function would have ${used.bytes + size} bytes, over functions.requests.waitingBytesMax`;
    }
    if (this.#total.bytes + size > totalBytesMax) {
      return `the waiting requests of all functions would have ${this.#total.bytes + size} bytes, over functions.requests.totalBytesMax`;
    }
    return undefined;
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
