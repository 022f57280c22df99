/**
 * The plan in the store, each part of it an item that is written when it changes.
 *
 *     table          partition   sort
 *     plan           alert       <episode>            what each channel knows of it, until it is over and told
 *     plan           queue       <channel>/<key>      what is told together
 *     plan           channel     <channel>            numbers of its messages, and when the last ones went
 *     plan           flaps       <subject>            how often it began and ended lately
 *     plan-log       <episode>   log                  what became of it, when it is done with
 *     alert-policy   all         policy               the document, as it was applied
 */

import { UsageError } from '@weir/runtime';
import { itemsOf } from '../../fleet/keys.ts';
import type { Change, ItemKey, Store } from '../../store/store.ts';
import { storedChannels } from '../channels.ts';
import { KINDS } from '../kinds/kinds.ts';
import type { Notification } from '../outbox.ts';
import { channelPolicySchema } from './channel-policy.ts';
import { type Changed, idOf, type Plan } from './plan.ts';
import { type Policy, policySchema } from './policy.ts';
import { readPolicyKept } from './policy-document.ts';
import type { ChannelState, Flaps, LogEntry, PlanChannel, PlannedAlert, Queue } from './state.ts';

const TABLE = 'plan';
const key = (partition: 'alert' | 'queue' | 'channel' | 'flaps', sort: string): ItemKey => ({
  table: TABLE,
  ...{ partition, sort },
});
export const planLogKey = (episode: string): ItemKey => ({ table: 'plan-log', partition: episode, sort: 'log' });
export const policyKey: ItemKey = { table: 'alert-policy', partition: 'all', sort: 'policy' };

/** Fills an empty plan. */
export async function load(plan: Plan, store: Store): Promise<void> {
  for await (const { json } of itemsOf(store, { table: TABLE, partition: 'channel' })) {
    const channel = json as ChannelState;
    plan.channels.set(channel.id, channel);
  }
  for await (const { sort, json } of itemsOf(store, { table: TABLE, partition: 'queue' })) {
    const queue = json as Queue;
    const channel = sort.slice(0, sort.indexOf('/'));
    plan.setQueue(channel, queue);
    plan.timers.set(`queue/${sort}`, queue.dueAt);
  }
  for await (const { sort, json } of itemsOf(store, { table: TABLE, partition: 'flaps' })) {
    plan.flaps.set(sort, json as Flaps);
    plan.timers.set(`flaps/${sort}`, 0);
  }
  for await (const { json } of itemsOf(store, { table: TABLE, partition: 'alert' })) {
    const alert = json as PlannedAlert;
    plan.add(alert);
    plan.timers.set(`alert/${idOf(alert)}`, 0);
    if (alert.settlingSince !== undefined) plan.heardAt.set(alert.transition.device, alert.settlingSince);
  }
}

/** What was done, to be written in one go. */
export function changesOf(plan: Plan, { alerts, done, queues, channels, flaps, messages }: Changed): Change[] {
  return [
    ...[...alerts].map((episode): Change => ({ put: key('alert', episode), json: plan.alerts.get(episode) })),
    ...[...done].flatMap(([episode, log]): Change[] => [
      { remove: key('alert', episode) },
      // Also an empty one: by it is known that the end was told.
      { put: planLogKey(episode), json: log },
    ]),
    ...[...queues.values()].map(({ channel, key: name }): Change => {
      return putOrRemove(key('queue', `${channel}/${name}`), plan.queue(channel, name));
    }),
    ...[...channels].map((id): Change => putOrRemove(key('channel', id), plan.channels.get(id))),
    ...[...flaps].map((subject): Change => putOrRemove(key('flaps', subject), plan.flaps.get(subject))),
    ...messages.map(({ message, order }): Change => {
      const json: Notification = { message, attempts: 0, nextAt: message.createdAt };
      const sort = `${padded(message.createdAt, 15)}/${padded(order, 12)}`;
      return { put: { table: 'notification', partition: message.channel, sort }, json };
    }),
  ];
}

function putOrRemove(at: ItemKey, json: unknown): Change {
  return json === undefined ? { remove: at } : { put: at, json };
}

const padded = (n: number, digits: number) => String(n).padStart(digits, '0');

/** What became of an alert, as far as it is known. */
export async function readPlanLog(store: Store, episode: string): Promise<LogEntry[]> {
  const [open, done] = await Promise.all([store.get(key('alert', episode)), store.get(planLogKey(episode))]);
  return [...((done?.json as LogEntry[] | undefined) ?? []), ...((open?.json as PlannedAlert | undefined)?.log ?? [])];
}

export interface PolicyStored {
  /** As it was given. */
  text: string;
  at: number;
  by: string;
}

export async function readPolicyText(store: Store): Promise<PolicyStored | undefined> {
  return (await store.get(policyKey))?.json as PolicyStored | undefined;
}

/** A policy that a newer hub had taken is as good as none: everybody is told everything. */
export async function readPolicy(store: Store): Promise<{ policy: Policy; problem?: string }> {
  const stored = await readPolicyText(store);
  if (stored === undefined) return { policy: policySchema.parse({}) };
  try {
    return { policy: readPolicyKept(stored.text) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { policy: policySchema.parse({}), problem: error.message };
  }
}

/** One that a newer hub had taken is as good as none. */
function policyOf(given: unknown): PlanChannel['policy'] {
  return channelPolicySchema.safeParse(given ?? {}).data ?? channelPolicySchema.parse({});
}

export async function readPlanChannels(store: Store): Promise<Map<string, PlanChannel>> {
  const known = await storedChannels(store);
  return new Map(
    [...known].map(([name, { id, kind, disabled, policy }]) => {
      // Also by an operator: nothing new is told then, and what still fires is once it is on again. Ends wait in its outbox.
      const isDisabled = disabled !== undefined;
      const { hearsAcks = false } = KINDS[kind];
      return [id, { id, name, isDisabled, hearsAcks, policy: policyOf(policy) }];
    }),
  );
}
