/**
 * When the commands that wait for one device are sent. It decides; `delivery.ts` carries its effects out.
 *
 *     made       sent at once if none waits before it
 *     listening  the device has subscribed: the first is sent; what was sent before went to nobody
 *     ended      the device has answered: the next is sent
 *     tick       without an answer for 2 s, 4 s, … 5 min: all are sent again, in order. While the device is not
 *                known to listen, only the first, so that of two the later cannot arrive alone
 *
 * So a device gets commands one by one, in the order in which they were made; and one that it does not answer does not
 * keep those behind it for long.
 */
export interface WaitingCommand {
  id: string;
  /** ms since epoch, as all times here. */
  expiresAt: number;
}

export interface QueueState {
  /** In the order in which they were made. */
  waiting: readonly WaitingCommand[];
  /** Whether the device has subscribed and has not gone since. */
  listening: boolean;
  /** Commands are being handed to the downlink. */
  sending: boolean;
  /** First one that was handed to the downlink, and may have arrived. */
  sent: string | undefined;
  /** Rounds since the device was heard last. */
  attempts: number;
  /** When all are sent again. */
  nextAt: number;
}

export type QueueEvent =
  | { type: 'made'; commands: readonly WaitingCommand[] }
  | { type: 'listening' | 'gone' | 'tick' }
  /** Sending is over; not `ok`: the downlink did not take them all. */
  | { type: 'sent'; ok: boolean }
  | { type: 'ended'; id: string };

export type QueueEffect =
  /** In this order; to be followed by `sent`. */
  { type: 'send'; ids: readonly string[] } | { type: 'expire'; ids: readonly string[] };

export interface QueueTransition {
  state: QueueState;
  effects: QueueEffect[];
}

export interface Surroundings {
  now: number;
  /** 0 to 1 */
  random: number;
}

/** A device answers within a second, if it is there. */
export const RESEND_BASE_MS = 2_000;
/** Whatever keeps a device from being heard, it waits no longer than this once it is over. */
export const RESEND_CAP_MS = 300_000;

export function emptyQueue(listening: boolean): QueueState {
  return { waiting: [], listening, sending: false, sent: undefined, attempts: 0, nextAt: 0 };
}

/** @param random spreads devices that wait alike over half of the span */
export function resendDelayMs(attempts: number, random: number): number {
  return Math.round(Math.min(RESEND_CAP_MS, RESEND_BASE_MS * 2 ** attempts) * (0.5 + random / 2));
}

export function transition(state: QueueState, event: QueueEvent, around: Surroundings): QueueTransition {
  switch (event.type) {
    case 'made':
      return sendFirst({ ...state, waiting: [...state.waiting, ...event.commands] });
    case 'listening':
      return sendFirst({ ...state, listening: true, sent: undefined, attempts: 0 });
    case 'gone':
      return { state: { ...state, listening: false }, effects: [] };
    case 'ended':
      return sendFirst({ ...state, waiting: without(state.waiting, [event.id]), attempts: 0 });
    case 'sent':
      return over(state, event.ok, around);
    case 'tick':
      return tick(state, around);
  }
}

function sendFirst(state: QueueState): QueueTransition {
  const first = state.waiting[0]?.id;
  if (state.sending || first === undefined || first === state.sent) return { state, effects: [] };
  return { state: { ...state, sending: true, sent: first }, effects: [{ type: 'send', ids: [first] }] };
}

function over(state: QueueState, ok: boolean, { now, random }: Surroundings): QueueTransition {
  const next: QueueState = {
    ...state,
    sending: false,
    attempts: state.attempts + 1,
    nextAt: now + resendDelayMs(state.attempts, random),
  };
  // The downlink is left alone until then.
  return ok ? sendFirst(next) : { state: next, effects: [] };
}

function tick(state: QueueState, { now }: Surroundings): QueueTransition {
  const expired = state.waiting.filter(({ expiresAt }) => expiresAt <= now).map(({ id }) => id);
  const next = { ...state, waiting: without(state.waiting, expired) };
  const effects: QueueEffect[] = expired.length > 0 ? [{ type: 'expire', ids: expired }] : [];
  const first = next.waiting[0]?.id;
  if (next.sending || first === undefined || next.nextAt > now) return { state: next, effects };
  const ids = next.listening ? next.waiting.map(({ id }) => id) : [first];
  return { state: { ...next, sending: true, sent: first }, effects: [...effects, { type: 'send', ids }] };
}

function without(waiting: readonly WaitingCommand[], ids: readonly string[]): WaitingCommand[] {
  return waiting.filter(({ id }) => !ids.includes(id));
}
