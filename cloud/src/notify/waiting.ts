/** What waits for one channel, and in which order it may go. */
import type { Item } from '../store/store.ts';
import { type Notification, notificationOf } from './outbox.ts';

export interface Waiting {
  item: Item;
  notification: Notification;
}

/** In order of the store; those of one episode alone by number, though they may have been recorded otherwise within one ms. */
export function inOrder(items: readonly Item[]): Waiting[] {
  const all = items.map((item): Waiting => ({ item, notification: notificationOf(item) }));
  const alone = Map.groupBy(all, ({ notification }) => aloneOf(notification));
  for (const [episode, each] of alone) {
    if (episode !== undefined) each.sort((a, b) => seqOf(a) - seqOf(b));
  }
  return all.map((waiting) => {
    const episode = aloneOf(waiting.notification);
    return episode === undefined ? waiting : alone.get(episode)!.shift()!;
  });
}

/** @returns the episode of a message that is about nothing else */
function aloneOf({ message: { kind, episodes, alerts } }: Notification): string | undefined {
  return kind === 'alerts' && alerts.length === 1 ? episodes[0] : undefined;
}

/** Takes away the first few, no two of one episode. */
export function together(waiting: Waiting[], concurrency: number): Waiting[] {
  const taken = new Set<string>();
  let count = 0;
  for (const { notification } of waiting) {
    const lines = linesOf(notification);
    if (count === concurrency || lines.some((line) => taken.has(line))) break;
    for (const line of lines) taken.add(line);
    count += 1;
  }
  return waiting.splice(0, count);
}

/** What must be delivered in order: a message waits for those before it that name one of its episodes. */
export function linesOf({ message: { episodes, groupKey } }: Notification): readonly string[] {
  return episodes.length > 0 ? episodes : [groupKey];
}

function seqOf({ notification }: Waiting): number {
  return notification.message.alerts[0]!.seq;
}
