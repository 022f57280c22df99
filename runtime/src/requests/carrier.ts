/**
 * Carries requests to their destinations: some at a time, some to each destination, again when it is worth it.
 *
 *     add -> [ waiting of one destination, oldest first ] -> attempt -> answer -> settle -> gone
 *                ^       the circuit says when                  |
 *                |_______ later, while attempts are left _______|
 *
 * Attempts are counted in memory: a host that starts again begins with the first.
 */
import type { HttpResponse } from '../fold/fold.ts';
import type { AllowList, Destination } from './allow-list.ts';
import { type AttemptResult, admission, begun, type Circuit, CLOSED, ended } from './circuit.ts';
import { headersOfUse } from './headers.ts';
import { Pacer } from './pacer.ts';
import {
  type Answer,
  type HttpAnswer,
  idempotencyKey,
  RequestFailure,
  type RequestQueue,
  responseTo,
  type SendHttp,
  type WaitingRequest,
} from './requests.ts';
import { isRetryable, parseRetryAfter, retryDelayMs } from './retry.ts';
import { fillSecrets, hideSecrets, type SecretSource, withoutSecrets } from './secrets.ts';

export interface CarrierPorts {
  send: SendHttp;
  allow: AllowList;
  /** Absent: there are none. */
  secrets?: SecretSource;
  /** ms since epoch */
  now: () => number;
  /** @returns a function that cancels it */
  after: (ms: number, run: () => void) => () => void;
  /** 0 to 1 */
  random: () => number;
  onFailure: (what: string, error: Error) => void;
}

export interface CarrierLimits {
  /** Attempts under way. */
  concurrency: number;
  concurrencyPerDestination: number;
  /** Of each function; more wait. */
  perSecond: number;
  /** How long a request may wait from when it was taken, whatever holds it up. */
  giveUpMs: number;
}

/** Whether destinations may have private addresses that no pattern names literally. */
export type AddressPolicy = 'any' | 'public';

export interface OpenCircuit {
  /** Scheme, host and port. */
  destination: string;
  /** When it is asked again, ms since epoch; undefined: it is being asked. */
  until: number | undefined;
  lastError: string | undefined;
}

interface Carried {
  waiting: WaitingRequest;
  queue: RequestQueue;
  attempts: number;
  notBefore: number;
  since: number;
  lastError: string | undefined;
}

interface Lane {
  circuit: Circuit;
  active: number;
  entries: Carried[];
  lastError: string | undefined;
}

/** What a response says beside its names. */
type Said = Pick<HttpResponse, 'status' | 'headers' | 'body' | 'error'>;

interface Attempted {
  result: AttemptResult;
  answer: HttpAnswer | undefined;
  error: string | undefined;
  retryable: boolean;
}

/** Where requests are told that they are not sent. */
const NOWHERE = '';
const SETTLE_RETRY_MS = 1_000;

export class RequestCarrier {
  readonly #ports: CarrierPorts;
  readonly #limits: CarrierLimits;
  readonly #addresses: AddressPolicy;
  readonly #pacer: Pacer;
  /** By destination; those served last are at the end. */
  readonly #lanes = new Map<string, Lane>();
  /** Everything that is carried, by owner and id. */
  readonly #carried = new Map<string, Carried>();
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #active = 0;
  #cancelWake = () => {};

  constructor(ports: CarrierPorts, limits: CarrierLimits, addresses: AddressPolicy) {
    this.#ports = ports;
    this.#limits = limits;
    this.#addresses = addresses;
    this.#pacer = new Pacer(limits.perSecond);
  }

  /** Requests that are durable; one that is carried already is left as it is. */
  add(queue: RequestQueue, requests: readonly WaitingRequest[]): void {
    const now = this.#ports.now();
    for (const waiting of requests) {
      const key = nameOf(waiting);
      if (this.#carried.has(key)) continue;
      const notBefore = this.#pacer.next(`${waiting.owner}\0${waiting.request.fold}`, now);
      const carried = { waiting, queue, attempts: 0, notBefore, since: now, lastError: undefined };
      this.#carried.set(key, carried);
      this.#laneOf(waiting).entries.push(carried);
    }
    this.#pump();
  }

  /** Cuts off what is under way; it begins again with the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelWake();
    await Promise.all(this.#running);
  }

  openCircuits(): OpenCircuit[] {
    return [...this.#lanes].flatMap(([destination, { circuit, lastError }]) => {
      if (circuit.state === 'closed') return [];
      return [{ destination, until: circuit.state === 'open' ? circuit.until : undefined, lastError }];
    });
  }

  #laneOf({ request, refused }: WaitingRequest): Lane {
    const destination = refused === undefined ? this.#ports.allow.destination(request) : refused;
    const name = typeof destination === 'string' ? NOWHERE : destination.url.origin;
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { circuit: CLOSED, active: 0, entries: [], lastError: undefined };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /** Begins what may begin, and comes back when more may. */
  #pump(): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancelWake();
    const now = this.#ports.now();
    let wakeAt = Number.POSITIVE_INFINITY;
    for (const [name, lane] of [...this.#lanes]) {
      while (this.#active < this.#limits.concurrency && this.#beginOne(lane, now)) this.#moveBack(name, lane);
      if (lane.entries.length === 0 && lane.active === 0 && lane.circuit === CLOSED) this.#lanes.delete(name);
      else wakeAt = Math.min(wakeAt, this.#nextAt(lane, now));
    }
    if (this.#active >= this.#limits.concurrency || wakeAt === Number.POSITIVE_INFINITY) return;
    this.#cancelWake = this.#ports.after(Math.max(1, wakeAt - now), () => this.#pump());
  }

  #moveBack(name: string, lane: Lane): void {
    this.#lanes.delete(name);
    this.#lanes.set(name, lane);
  }

  #beginOne(lane: Lane, now: number): boolean {
    if (lane.active >= this.#limits.concurrencyPerDestination) return false;
    const expired = lane.entries.findIndex(({ since }) => now - since >= this.#limits.giveUpMs);
    if (expired >= 0) {
      this.#start(lane, expired, (carried) => this.#giveUp(carried, lane));
      return true;
    }
    if (admission(lane.circuit, now) !== now) return false;
    const due = lane.entries.findIndex(({ notBefore }) => notBefore <= now);
    if (due < 0) return false;
    this.#start(lane, due, (carried) => this.#carry(carried, lane));
    return true;
  }

  /** When the lane has something to do next; never, while what is under way must end first. */
  #nextAt(lane: Lane, now: number): number {
    const { entries, circuit, active } = lane;
    if (entries.length === 0 || active >= this.#limits.concurrencyPerDestination) return Number.POSITIVE_INFINITY;
    const givesUpAt = entries.reduce((at, { since }) => Math.min(at, since), now) + this.#limits.giveUpMs;
    const admittedAt = admission(circuit, now);
    if (admittedAt === 'after-probe') return givesUpAt;
    const dueAt = entries.reduce((at, { notBefore }) => Math.min(at, notBefore), Number.POSITIVE_INFINITY);
    return Math.min(givesUpAt, Math.max(admittedAt, dueAt));
  }

  #start(lane: Lane, at: number, run: (carried: Carried) => Promise<void>): void {
    const [carried] = lane.entries.splice(at, 1);
    lane.active++;
    this.#active++;
    const running = run(carried!).finally(() => {
      lane.active--;
      this.#active--;
      this.#running.delete(running);
      this.#pump();
    });
    this.#running.add(running);
  }

  async #carry(carried: Carried, lane: Lane): Promise<void> {
    const { request, refused } = carried.waiting;
    // Asked again: what the operator allows may have become less since it was taken.
    const destination = refused ?? this.#ports.allow.destination(request);
    if (typeof destination === 'string') return this.#settle(carried, { error: destination }, false);
    const start = begun(lane.circuit);
    lane.circuit = start.circuit;
    const attempted = await this.#attempt(carried, destination);
    const { result, error } = attempted;
    const now = this.#ports.now();
    const before = lane.circuit;
    lane.circuit = ended(before, { isProbe: start.isProbe, result, now, chance: this.#ports.random() });
    if (this.#stopping.signal.aborted) return;
    if (result === 'failed') lane.lastError = error;
    if (before.state === 'closed' && lane.circuit.state === 'open') {
      this.#ports.onFailure(`${destination.url.origin} fails again and again: requests to it wait`, new Error(error));
    }
    await this.#judge(carried, lane, attempted, now);
  }

  async #attempt(carried: Carried, destination: Destination): Promise<Attempted> {
    const { method, body, timeoutMs } = carried.waiting.request;
    const mayBePrivate = this.#addresses === 'any' || destination.pattern.isLiteral;
    let values: ReadonlyMap<string, string> = new Map();
    const timeout = new AbortController();
    const cancel = this.#ports.after(timeoutMs, () => timeout.abort());
    const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
    carried.attempts++;
    try {
      const filled = await fillSecrets(carried.waiting, destination, this.#ports.secrets);
      if (typeof filled === 'string') throw new RequestFailure(filled, false);
      values = filled.values;
      const headers = { ...filled.headers, 'idempotency-key': idempotencyKey(carried.waiting) };
      const said = await this.#ports.send({ method, url: filled.url, headers, body, mayBePrivate }, signal);
      const answer = withoutSecrets(said, values);
      const retryable = isRetryable(answer.status);
      const error = retryable ? `HTTP ${answer.status}` : answer.fault;
      return { result: retryable ? 'failed' : 'succeeded', answer, error, retryable };
    } catch (cause) {
      const retryable = cause instanceof RequestFailure && cause.retryable;
      const message = hideSecrets((cause as Error).message, values);
      const error = timeout.signal.aborted ? `no answer within ${timeoutMs} ms` : message;
      const isOver = !retryable || this.#stopping.signal.aborted;
      return { result: isOver ? 'abandoned' : 'failed', answer: undefined, error, retryable };
    } finally {
      cancel();
    }
  }

  /** Another attempt, or the answer. */
  async #judge(carried: Carried, lane: Lane, { answer, error, retryable }: Attempted, now: number): Promise<void> {
    const { attempts, waiting } = carried;
    carried.lastError = error;
    if (retryable && attempts <= waiting.request.retries) {
      const retryAfterMs = parseRetryAfter(oneOf(answer?.headers['retry-after']), now);
      carried.notBefore = now + retryDelayMs({ attempts, retryAfterMs, chance: this.#ports.random() });
      lane.entries.push(carried);
      return;
    }
    const said: Said = {};
    if (answer !== undefined) {
      said.status = answer.status;
      said.headers = headersOfUse(answer.headers);
      if (answer.body !== undefined) said.body = answer.body;
    }
    if (error !== undefined) said.error = retryable ? `${error}, after ${times(attempts)}` : error;
    await this.#settle(carried, said, retryable);
  }

  #giveUp(carried: Carried, lane: Lane): Promise<void> {
    const { attempts, lastError = lane.lastError } = carried;
    const why = lastError === undefined ? '' : `, the last: ${lastError}`;
    const error = `given up after ${this.#limits.giveUpMs / 1000} s and ${times(attempts)}${why}`;
    return this.#settle(carried, { error }, true);
  }

  async #settle(carried: Carried, said: Said, isDead: boolean): Promise<void> {
    const { waiting, queue } = carried;
    const answer: Answer = { response: responseTo(waiting.request, said), isDead };
    while (!this.#stopping.signal.aborted) {
      try {
        await queue.settle(waiting, answer);
        this.#carried.delete(nameOf(waiting));
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#ports.onFailure(
          `the answer to ${waiting.request.id} could not be kept; it is tried again`,
          error as Error,
        );
        await this.#pause(SETTLE_RETRY_MS);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#ports.after(ms, end);
      signal.addEventListener('abort', end);
    });
  }
}

function nameOf({ owner, request }: WaitingRequest): string {
  return `${owner}\0${request.id}`;
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}

function times(attempts: number): string {
  return attempts === 1 ? '1 attempt' : `${attempts} attempts`;
}
