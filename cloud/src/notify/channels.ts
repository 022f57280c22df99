/** Where alerts go. One item for each channel: table `channel`, partition `all`, sort = name. */
import type { Json } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import type { KindName } from './kinds/kinds.ts';
import type { ChannelPolicyInput } from './plan/channel-policy.ts';

export interface ChannelStored {
  /** Names the channel for ever; one that is removed and made again under the same name is another. */
  id: string;
  kind: KindName;
  /** By the schema of the kind, without what is secret; absent where a hub of before has kept `url` and `secret`. */
  settings?: Record<string, Json>;
  /** What is secret of them, as JSON, sealed for this channel. */
  sealed?: string;
  url?: string;
  secret?: string;
  createdAt: number;
  /** What it wants to be told, and when; as it was given. */
  policy?: ChannelPolicyInput;
  /** What its messages say instead of our own words. */
  template?: string;
  /** By its receiver, which answered 410 Gone; or by an operator: what has to be told waits then. */
  disabled?: { at: number; detail: string; by?: 'operator' };
  delivered: number;
  /** Given up for good. */
  dropped: number;
  /** Given up, and kept to be sent again. */
  deadLetters?: number;
  lastDeliveredAt?: number;
}

/** Each channel has a loop and a queue of its own, and every alert is written once for each. */
export const CHANNELS_MAX = 50;

export const channelKey = (name: string) => ({ table: 'channel', partition: 'all', sort: name });

/** So many are remembered by their name, those that were removed last: logs of alerts speak of them. */
const REMOVED_MAX = 500;

const REMOVED = { table: 'channel', partition: 'removed' } as const;

export interface ChannelRemoved {
  name: string;
  at: number;
}

/** @returns what to write when one is removed */
export async function removalOf(store: Store, name: string, id: string, now: number): Promise<Change[]> {
  const { items } = await store.query({ ...REMOVED, limit: REMOVED_MAX });
  const [oldest] = items.toSorted((a, b) => (a.json as ChannelRemoved).at - (b.json as ChannelRemoved).at);
  const removed: ChannelRemoved = { name, at: now };
  return [
    { remove: channelKey(name) },
    { put: { ...REMOVED, sort: id }, json: removed },
    ...(oldest !== undefined && items.length >= REMOVED_MAX ? [{ remove: { ...REMOVED, sort: oldest.sort } }] : []),
  ];
}

/** @returns undefined: it is there, or was removed long ago */
export async function removedChannel(store: Store, id: string): Promise<ChannelRemoved | undefined> {
  return (await store.get({ ...REMOVED, sort: id }))?.json as ChannelRemoved | undefined;
}

export async function storedChannels(store: Store): Promise<Map<string, ChannelStored>> {
  // One page holds them all: there are few and they are small.
  const { items } = await store.query({ table: 'channel', partition: 'all', limit: CHANNELS_MAX });
  return new Map(items.map((item) => [item.sort, item.json as ChannelStored]));
}

/** Ids of the channels that a new alert goes to; to one that is off, should it still fire when the channel is on again. */
export async function activeChannels(store: Store): Promise<string[]> {
  const channels = await storedChannels(store);
  const wanting = [...channels.values()].filter(({ disabled }) => disabled === undefined || disabled.by === 'operator');
  return wanting.map(({ id }) => id);
}
