/**
 * What stands at a receiver that forgets what it is not told again, or counts what fires: the alerts that fire there, and those that
 * ended a moment ago.
 *
 *     table            partition       sort
 *     channel-alert    <channel id>    <episode>/<fingerprint of all labels>     json: {@link Standing}
 */
import type { Change, Item, Store } from '../store/store.ts';
import { labelsFingerprint } from './kinds/alertmanager-body.ts';
import type { AlertMessage, MessageAlert } from './message.ts';
import { keyOf } from './outbox.ts';

export const STANDING_TABLE = 'channel-alert';

interface Standing {
  alert: MessageAlert;
  /** It ended; ms since epoch until when that is told again. */
  until?: number;
}

const keyFor = (channel: string, { episode, labels }: MessageAlert) => ({
  ...{ table: STANDING_TABLE, partition: channel },
  sort: `${episode}/${labelsFingerprint(labels)}`,
});

/** What fires there of the episodes of a message. */
export async function standingOf(store: Store, channel: string, { episodes }: AlertMessage): Promise<MessageAlert[]> {
  const found: MessageAlert[] = [];
  for (const episode of episodes) {
    const query = { table: STANDING_TABLE, partition: channel, from: `${episode}/`, to: `${episode}0` };
    for (const { json } of (await store.query(query)).items) {
      const { alert, until } = json as Standing;
      if (until === undefined) found.push(alert);
    }
  }
  return found;
}

/** All else that fires there. */
export async function othersOf(store: Store, channel: string, { episodes }: AlertMessage): Promise<MessageAlert[]> {
  const all = await allStanding(store, channel);
  return all.flatMap(({ standing: { alert, until } }) =>
    until === undefined && !episodes.includes(alert.episode) ? [alert] : [],
  );
}

/**
 * What stands there once a message was delivered.
 *
 * @param before of {@link standingOf}
 * @param endedForMs for so long an end is told again; 0: it is forgotten at once
 */
export function standingChanges(
  channel: string,
  { alerts }: AlertMessage,
  before: readonly MessageAlert[],
  { now, endedForMs }: { now: number; endedForMs: number },
): Change[] {
  const until = now + endedForMs;
  const changes = new Map<string, Change>();
  const end = (alert: MessageAlert) => {
    const key = keyFor(channel, alert);
    const json: Standing = { alert, until };
    changes.set(key.sort, endedForMs === 0 ? { remove: key } : { put: key, json });
  };
  for (const alert of before) end({ ...alert, status: 'resolved', endsAt: Math.max(alert.startsAt, now - 1000) });
  for (const alert of alerts) {
    if (alert.status === 'resolved') end(alert);
    else changes.set(keyFor(channel, alert).sort, { put: keyFor(channel, alert), json: { alert } satisfies Standing });
  }
  return [...changes.values()];
}

/** All of it. */
export async function allStanding(store: Store, channel: string): Promise<{ item: Item; standing: Standing }[]> {
  const found: { item: Item; standing: Standing }[] = [];
  let after: string | undefined;
  do {
    const query = { table: STANDING_TABLE, partition: channel };
    const page = await store.query(after === undefined ? query : { ...query, after });
    found.push(...page.items.map((item) => ({ item, standing: item.json as Standing })));
    after = page.next;
  } while (after !== undefined);
  return found;
}

export function forgottenStanding(all: readonly { item: Item; standing: Standing }[], now: number): Change[] {
  return all.flatMap(({ item, standing: { until } }) =>
    until !== undefined && until <= now ? [{ remove: keyOf(item) }] : [],
  );
}
