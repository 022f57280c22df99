/**
 * HTTP requests of functions: kept by the commit that caused them, carried out afterwards, answered by an event.
 *
 *     step -> [ commit ] -> waiting -> attempt … attempt -> answer -> event -> [ commit: its outputs, and the request is gone ]
 *
 * At least once: a host that ends between an answer and its commit sends the request again, under the same
 * Idempotency-Key. Exactly once in effect is what the answer does to the function: state and outputs of the event are
 * committed together with the removal of the request.
 */
import type { Json } from '@weir/protocols';
import { eventPosition } from '../fold/event-position.ts';
import type { DeadLetter, Deployed, HttpRequest, HttpResponse } from '../fold/fold.ts';

/** A request that is kept until its answer is committed. */
export interface WaitingRequest {
  /** On whose behalf: the device, and whatever else keeps its ids from meeting those of others at the destination. */
  owner: string;
  request: HttpRequest;
  /** Why it is not sent: it is answered with this. */
  refused?: string;
}

export interface Answer {
  response: HttpResponse;
  /** Given up after all its attempts: it goes to the dead letters, to be sent again once the destination is well. */
  isDead: boolean;
}

/** Where requests are kept: what a carrier needs of its host. */
export interface RequestQueue {
  /**
   * Runs the answer as an event and commits what comes of it together with the removal of the request. Once for each
   * request that is carried; rejects when that could not be: it is then asked again.
   */
  settle(waiting: WaitingRequest, answer: Answer): Promise<void>;
}

/** One attempt. */
export interface HttpCall {
  method: HttpRequest['method'];
  url: URL;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
  /** Whether it may go to an address that is not public. */
  mayBePrivate: boolean;
}

/** What a destination said. */
export interface HttpAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined: `fault` says why it could not be taken. */
  body?: string;
  fault?: string;
}

/**
 * Sends one request and follows no redirect. Ends soon after the signal was aborted.
 *
 * @throws {RequestFailure} when there is no answer
 */
export type SendHttp = (call: HttpCall, signal: AbortSignal) => Promise<HttpAnswer>;

/** There was no answer. */
export class RequestFailure extends Error {
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RequestFailure';
    this.retryable = retryable;
  }
}

/** Sent to a destination; ids of functions are alike on all devices. */
export function idempotencyKey({ owner, request }: WaitingRequest): string {
  return `${owner}:${request.firstId ?? request.id}`;
}

/** A request that nobody answered, to be sent again when somebody says so; undefined: its function is gone. */
export function unansweredLetter(
  request: HttpRequest,
  error: string,
  { at, device, deployed }: { at: number; device: string; deployed: readonly Deployed[] },
): DeadLetter | undefined {
  const { id, fold, key } = request;
  const asked = deployed.find(({ name }) => name === fold);
  if (asked?.bundle.kind !== 'function') return undefined;
  return {
    id: `${fold}:${eventPosition('request', id)}`,
    ...{ fold, version: asked.bundle.manifest.version, hash: asked.hash, at },
    ...{ kind: 'unanswered', message: error, stack: '' },
    input: { kind: 'event', handler: 'request', keys: [key], value: request as unknown as Json, at, device },
  };
}

export function responseTo({ id, fold, key, name }: HttpRequest, rest: Partial<HttpResponse>): HttpResponse {
  return { id, fold, key, name, ...rest };
}
