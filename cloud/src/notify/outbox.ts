/**
 * The durable outbox of notifications. A worker's write adds one item to the intake, however many channels there are;
 * the notifier spreads it over the channels, exactly once, and each channel empties its own part.
 *
 *     table          partition       sort
 *     notify         intake          <time>/<key of the first>             what a worker committed
 *     notification   <channel id>    <sort of the intake item>/<n>         what a channel has to deliver
 */
import { type AlertTransition, transitionKey } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import { CHANGES_MAX, type Change, type Item, type ItemKey, type Store } from '../store/store.ts';
import { alertLabels } from './labels.ts';
import { type AlertMessage, aloneMessage, type MessageReason, messageAlert } from './message.ts';

/** One transition to be told, and the ids of the channels to tell. */
export interface IntakeEntry {
  transition: AlertTransition;
  origin: Origin;
  channels: string[];
}

interface Intake {
  at: number;
  entries: IntakeEntry[];
  /** Deliveries, counted over entries and their channels, that are spread already. */
  spread: number;
}

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

/** A transition has 4 KB at most, so that the item stays far under its limit. */
const ENTRIES_PER_ITEM = 64;
/** One change of each write is the intake item itself. */
const SPREAD_PER_WRITE = CHANGES_MAX - 1;

const padded = (n: number, digits: number) => String(n).padStart(digits, '0');

/** To be committed in the write that records the transitions. */
export function intakeChanges(entries: readonly IntakeEntry[], now: number): Change[] {
  const changes: Change[] = [];
  const told = entries.filter(({ channels }) => channels.length > 0);
  for (let at = 0; at < told.length; at += ENTRIES_PER_ITEM) {
    const some = told.slice(at, at + ENTRIES_PER_ITEM);
    const sort = `${padded(now, 15)}/${transitionKey(some[0]!.transition)}`;
    const json: Intake = { at: now, entries: some, spread: 0 };
    changes.push({ put: { table: 'notify', partition: 'intake', sort }, json });
  }
  return changes;
}

/**
 * Spreads everything in the intake over the channels.
 * @param known ids of the channels that exist; what is for others is let go
 * @returns ids of the channels that got something
 */
export async function spreadIntake(store: Store, known: ReadonlySet<string>): Promise<Set<string>> {
  const touched = new Set<string>();
  for (;;) {
    const { items } = await store.query({ table: 'notify', partition: 'intake' });
    if (items.length === 0) return touched;
    for (const item of items) await spread(store, item, known, touched);
  }
}

async function spread(store: Store, item: Item, known: ReadonlySet<string>, touched: Set<string>): Promise<void> {
  const intake = item.json as Intake;
  const key = keyOf(item);
  const deliveries = intake.entries.flatMap((entry) => entry.channels.map((channel) => ({ entry, channel })));
  let { version } = item;
  for (let at = intake.spread; at < deliveries.length; at += SPREAD_PER_WRITE) {
    const some = deliveries.slice(at, at + SPREAD_PER_WRITE);
    const changes: Change[] = [];
    some.forEach(({ entry: { transition, origin }, channel }, n) => {
      if (!known.has(channel)) return;
      const alert = messageAlert(transition, origin, alertLabels(transition, origin));
      const message = aloneMessage(alert, channel, reasonOf(transition), intake.at);
      const json: Notification = { message, attempts: 0, nextAt: intake.at };
      const sort = `${item.sort}/${padded(at + n, 5)}`;
      changes.push({ put: { table: 'notification', partition: channel, sort }, json });
      touched.add(channel);
    });
    const done = at + some.length;
    if (done === deliveries.length) changes.push({ remove: key, ifVersion: version });
    else changes.push({ put: key, json: { ...intake, spread: done }, ifVersion: version });
    await store.write(changes);
    version += 1;
  }
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

interface Before {
  transition: AlertTransition;
  origin: Origin;
  createdAt: number;
}

export function keyOf({ table, partition, sort }: Item): ItemKey {
  return { table, partition, sort };
}
