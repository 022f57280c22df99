/**
 * Messages that a channel gave up, kept within bounds to be looked at and sent again.
 *
 *     table               partition       sort
 *     notification-dead   <channel id>    that of the message in the outbox, so: in order
 */
import { UsageError } from '@weir/runtime';
import { getEpisode } from '../alerts/episodes.ts';
import type { Change, Item, Store } from '../store/store.ts';
import type { ChannelStored } from './channels.ts';
import { keyOf, type Notification, notificationOf } from './outbox.ts';

export const LETTER_TABLE = 'notification-dead';

/** `gone`: the receiver wants no more; `given-up`: it took it for too long. */
export type LetterReason = 'gone' | 'given-up';

interface StoredLetter {
  notification: Notification;
  diedAt: number;
  reason: LetterReason;
  detail: string;
}

/** One of a list. */
export interface ChannelLetter {
  /** Of the message: its idempotency key. */
  id: string;
  diedAt: number;
  createdAt: number;
  attempts: number;
  reason: LetterReason;
  detail: string;
  status: 'firing' | 'resolved';
  summary: string;
  episodes: string[];
}

/** What is written when a message is given up; counts it in the record of the channel. */
export function letterChanges(
  channel: ChannelStored,
  { item, notification }: { item: Item; notification: Notification },
  death: { at: number; reason: LetterReason; detail: string },
): Change[] {
  channel.deadLetters = (channel.deadLetters ?? 0) + 1;
  const json: StoredLetter = { notification, diedAt: death.at, reason: death.reason, detail: death.detail };
  const key = { table: LETTER_TABLE, partition: channel.id, sort: item.sort };
  return [{ remove: keyOf(item) }, { put: key, json }];
}

/** The oldest go, until no more than the bound are left; counts them in the record of the channel, which the caller writes. */
export async function trimmed(store: Store, channel: ChannelStored, lettersMax: number): Promise<Change[]> {
  const over = (channel.deadLetters ?? 0) - lettersMax;
  if (over <= 0) return [];
  const { items } = await store.query({
    table: LETTER_TABLE,
    partition: channel.id,
    limit: Math.min(over, TRIMMED_MAX),
  });
  channel.deadLetters = (channel.deadLetters ?? 0) - items.length;
  channel.dropped += items.length;
  return items.map((item) => ({ remove: keyOf(item) }));
}

/** In one write, with the record of the channel. */
const TRIMMED_MAX = 90;

/** Oldest first. */
export async function listLetters(
  store: Store,
  channel: string,
  { limit, after }: { limit: number; after?: string },
): Promise<{ items: ChannelLetter[]; next?: string }> {
  const query = { table: LETTER_TABLE, partition: channel, limit };
  const page = await store.query(after === undefined ? query : { ...query, after });
  const items = page.items.map((item) => told(item.json as StoredLetter));
  return page.next === undefined ? { items } : { items, next: page.next };
}

function told({ notification: { message, attempts }, diedAt, reason, detail }: StoredLetter): ChannelLetter {
  const { id, createdAt, status, alerts, episodes } = message;
  const summary = alerts[0]?.transition.summary ?? `${message.leftOut} alerts`;
  return { id, diedAt, createdAt, attempts, reason, detail, status, summary, episodes };
}

export interface Replayed {
  /** Put back into the outbox. */
  replayed: number;
  /** Removed instead: all that they said began is over by now, and the channel has been told that. */
  over: number;
}

interface Replay {
  /** Of the channel. */
  name: string;
  ids?: readonly string[] | undefined;
  record: (channel: ChannelStored) => Change;
}

/**
 * Puts letters back into the outbox, in order, under the same idempotency keys. Nobody else may write the channel meanwhile.
 *
 * A firing whose end has been told since is left out: it would open again at the receiver what nobody would end.
 *
 * @param ids of messages; undefined: all
 * @throws {UsageError} `channel-turned-off`: they would be given up once more, untried; `dead-letter-unknown`. Nothing has changed then
 */
export async function replayLetters(
  store: Store,
  channel: ChannelStored,
  now: number,
  { name, ids, record }: Replay,
): Promise<Replayed> {
  if (channel.disabled !== undefined) throw turnedOff(name, channel.disabled.detail);
  const letters = await wanted(store, channel.id, ids);
  const found = new Set(letters.map(({ letter }) => letter.notification.message.id));
  for (const id of ids ?? []) if (!found.has(id)) throw unknownLetter(name, id);
  const endsAhead = await endsWaiting(store, channel.id);
  for (const { letter } of letters) {
    if (letter.notification.message.status === 'resolved')
      for (const each of letter.notification.message.episodes) endsAhead.add(each);
  }
  const result: Replayed = { replayed: 0, over: 0 };
  for (const { item, letter } of letters) {
    const isOver = await hasEnded(store, letter.notification, endsAhead);
    channel.deadLetters = Math.max(0, (channel.deadLetters ?? 0) - 1);
    const changes: Change[] = [{ remove: keyOf(item) }, record(channel)];
    if (!isOver) {
      const json: Notification = { ...letter.notification, attempts: 0, nextAt: now, refused: false, replayedAt: now };
      changes.push({ put: { table: 'notification', partition: channel.id, sort: item.sort }, json });
    }
    await store.write(changes);
    result[isOver ? 'over' : 'replayed'] += 1;
  }
  return result;
}

function turnedOff(name: string, detail: string): UsageError {
  return new UsageError(
    'channel-turned-off',
    `channel "${name}" is told nothing now: ${detail}`,
    `when its receiver is there again: weir channel enable ${name}`,
  );
}

function unknownLetter(name: string, id: string): UsageError {
  return new UsageError(
    'dead-letter-unknown',
    `channel "${name}" has given up no message "${id}"`,
    `see their ids: weir channel dead-letters ${name} --json`,
  );
}

async function wanted(store: Store, channel: string, ids: readonly string[] | undefined) {
  const found: { item: Item; letter: StoredLetter }[] = [];
  let after: string | undefined;
  do {
    const query = { table: LETTER_TABLE, partition: channel };
    const page = await store.query(after === undefined ? query : { ...query, after });
    for (const item of page.items) {
      const letter = item.json as StoredLetter;
      if (ids === undefined || ids.includes(letter.notification.message.id)) found.push({ item, letter });
    }
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** Episodes whose end is still in the outbox. */
async function endsWaiting(store: Store, channel: string): Promise<Set<string>> {
  const ends = new Set<string>();
  let after: string | undefined;
  do {
    const query = { table: 'notification', partition: channel };
    const page = await store.query(after === undefined ? query : { ...query, after });
    for (const item of page.items) {
      const { alerts } = notificationOf(item).message;
      for (const { status, episode } of alerts) if (status === 'resolved') ends.add(episode);
    }
    after = page.next;
  } while (after !== undefined);
  return ends;
}

async function hasEnded(store: Store, { message }: Notification, endsAhead: ReadonlySet<string>): Promise<boolean> {
  const { status, episodes } = message;
  if (status !== 'firing' || episodes.length === 0) return false;
  for (const id of episodes) {
    const episode = await getEpisode(store, id);
    if (episode?.state !== 'resolved' || endsAhead.has(id)) return false;
  }
  return true;
}
