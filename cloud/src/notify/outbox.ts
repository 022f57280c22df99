/**
 * The durable outbox of each channel, which the plan fills and the channel empties.
 *
 *     table          partition       sort
 *     notification   <channel id>    <time>/<number>
 */
import type { AlertTransition } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import type { Item, ItemKey } from '../store/store.ts';
import { alertLabels } from './labels.ts';
import { type AlertMessage, aloneMessage, type MessageReason, messageAlert } from './message.ts';

/** Something one channel has to deliver. */
export interface Notification {
  message: AlertMessage;
  attempts: number;
  /** Not to be tried before; ms since epoch, as all times here. */
  nextAt: number;
  /** The last attempt was: the receiver does not want this message. It goes behind the others. */
  refused?: boolean;
  /** It was given up before, and sent again by an operator then. */
  replayedAt?: number;
}

function reasonOf({ state, reason }: AlertTransition): MessageReason {
  if (state === 'resolved') return 'resolved';
  return reason === 'severity' ? 'severity' : 'new';
}

/** One that a hub of before had put there has its transition alone. */
export function notificationOf(item: Item): Notification {
  const json = item.json as Notification | (Omit<Notification, 'message'> & Before);
  if ('message' in json) return json;
  const { transition, origin, createdAt, ...rest } = json;
  const alert = messageAlert(transition, origin, alertLabels(transition, origin));
  return { ...rest, message: aloneMessage(alert, item.partition, reasonOf(transition), createdAt) };
}

/** It failed by itself, and waits for its next attempt. Any other is due, also where the clock was set back since it came. */
export function isPutOff({ message, nextAt, replayedAt = message.createdAt }: Notification): boolean {
  return nextAt !== replayedAt;
}

interface Before {
  transition: AlertTransition;
  origin: Origin;
  createdAt: number;
}

export function keyOf({ table, partition, sort }: Item): ItemKey {
  return { table, partition, sort };
}
