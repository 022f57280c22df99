/** What brings a parcel to its receiver. None of them follows to where nobody has said it should go. */
import {
  type AddressRule,
  guardedSocket,
  type HttpCall,
  nodeHttp,
  parseRetryAfter,
  RequestFailure,
  type SendHttp,
} from '@weir/runtime';
import type { Mail, MqttBroker, Outcome, Parcel, SmtpServer } from '../kinds/kind.ts';
import { plainLine } from '../words.ts';
import { mqttPublisher } from './mqtt.ts';
import { smtpSender } from './smtp.ts';

export interface MqttMessage {
  topic: string;
  payload: string;
  qos: 0 | 1;
  retain: boolean;
}

/**
 * Each ends in a time of its own, and soon after the signal was aborted. They reject when nobody answered, or the address may not be
 * reached; what the receiver says is an outcome.
 */
export interface Carriers {
  http: SendHttp;
  smtp(server: SmtpServer, mail: Mail, signal: AbortSignal): Promise<Outcome>;
  mqtt(broker: MqttBroker, message: MqttMessage, signal: AbortSignal): Promise<Outcome>;
}

/** Of an answer only its status counts, and a line of why. */
const ANSWER_BYTES_MAX = 16_384;
/** A receiver that has said yes, and does not end its answer, is not told again, and does not keep the next message waiting. */
const SUCCESS_WAIT_MS = 1_000;

export interface CarrierOptions {
  /** Which addresses may be reached, whatever a name stands for. */
  rule: AddressRule;
  /** Of one attempt. */
  timeoutMs: number;
  random: (bytes: number) => Uint8Array;
}

export function createCarriers({ rule, timeoutMs, random }: CarrierOptions): Carriers {
  const open = guardedSocket({ rule });
  const http = nodeHttp({ bodyBytesMax: ANSWER_BYTES_MAX, successWaitMs: SUCCESS_WAIT_MS, rule });
  const smtp = smtpSender(open);
  const mqtt = mqttPublisher(open, random);
  const inTime = async <T>(stopped: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await run(AbortSignal.any([timeout, stopped]));
    } catch (error) {
      if (!timeout.aborted || stopped.aborted) throw error;
      throw new RequestFailure(`no answer within ${timeoutMs / 1000} s`, true, { cause: error });
    }
  };
  return {
    http: (call, stopped) => inTime(stopped, (signal) => http(call, signal)),
    smtp: (server, mail, stopped) => inTime(stopped, (signal) => smtp(server, mail, signal)),
    mqtt: (broker, message, stopped) => inTime(stopped, (signal) => mqtt(broker, message, signal)),
  };
}

/** What is carried within the hub. */
export interface Inside {
  print(text: string): void;
  command(parcel: Extract<Parcel, { by: 'command' }>): Promise<Outcome>;
}

export interface Carriage {
  carriers: Carriers;
  inside: Inside;
  now: () => number;
  /** The hub stops. */
  signal: AbortSignal;
}

/** Sends what a message comes to, in order, up to the first that fails. Never rejects. */
export async function carryAll(parcels: readonly Parcel[], carriage: Carriage): Promise<Outcome> {
  let last: Outcome = { kind: 'delivered', detail: 'there is nothing to be told to this channel' };
  for (const parcel of parcels) {
    last = await carry(parcel, carriage);
    if (last.kind !== 'delivered') return last;
  }
  return last;
}

async function carry(parcel: Parcel, { carriers, inside, now, signal }: Carriage): Promise<Outcome> {
  try {
    switch (parcel.by) {
      case 'print':
        inside.print(parcel.text);
        return { kind: 'delivered', detail: 'printed' };
      case 'command':
        return await inside.command(parcel);
      case 'smtp':
        return await carriers.smtp(parcel.server, parcel.mail, signal);
      case 'mqtt':
        return await carriers.mqtt(parcel.broker, parcel, signal);
      case 'http':
        return await post(parcel, carriers.http, now(), signal);
    }
  } catch (error) {
    if (signal.aborted) return { kind: 'stopped' };
    return { kind: 'unavailable', detail: plainLine((error as Error).message, 300) };
  }
}

/** Nobody has said that it may go there. */
const ELSEWHERE = 'it sends elsewhere, and no redirect is followed';

async function post(
  { url, headers, body, isExplained = false }: Extract<Parcel, { by: 'http' }>,
  send: SendHttp,
  now: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const call: HttpCall = { method: 'POST', url: new URL(url), headers, body, mayBePrivate: false };
  const answer = await send(call, signal);
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', detail: `HTTP ${status}` };
  const says = isExplained && status >= 400 && status < 500 ? plainLine(answer.body ?? '', 200) : '';
  const why = status >= 300 && status < 400 ? ELSEWHERE : says;
  const detail = why === '' ? `HTTP ${status}` : `HTTP ${status}: ${why}`;
  if (status === 410) return { kind: 'gone', detail };
  const ownFault = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  const retryAfter = answer.headers['retry-after'];
  const retryAfterMs = parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : undefined, now);
  const outcome = { kind: ownFault ? ('refused' as const) : ('unavailable' as const), detail };
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}
