/** Where alerts go. One item for each channel: table `channel`, partition `all`, sort = name. */
import { UsageError } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import type { ChannelPolicyInput } from './plan/channel-policy.ts';

export interface ChannelStored {
  /** Names the channel for ever; one that is removed and made again under the same name is another. */
  id: string;
  kind: 'webhook' | 'terminal';
  url?: string;
  secret?: string;
  createdAt: number;
  /** What it wants to be told, and when; as it was given. */
  policy?: ChannelPolicyInput;
  /** The receiver answered 410 Gone. */
  disabled?: { at: number; detail: string };
  delivered: number;
  dropped: number;
  lastDeliveredAt?: number;
}

/** Each channel has a loop and a queue of its own, and every alert is written once for each. */
export const CHANNELS_MAX = 50;
const URL_CHARS_MAX = 2048;

export const channelKey = (name: string) => ({ table: 'channel', partition: 'all', sort: name });

export async function storedChannels(store: Store): Promise<Map<string, ChannelStored>> {
  // One page holds them all: there are few and they are small.
  const { items } = await store.query({ table: 'channel', partition: 'all', limit: CHANNELS_MAX });
  return new Map(items.map((item) => [item.sort, item.json as ChannelStored]));
}

/** Ids of the channels that a new alert goes to. */
export async function activeChannels(store: Store): Promise<string[]> {
  const channels = await storedChannels(store);
  return [...channels.values()].filter((channel) => channel.disabled === undefined).map(({ id }) => id);
}

/** @throws {UsageError} `channel-url-invalid` */
export function checkWebhookUrl(text: string): string {
  const wrong = (what: string) =>
    new UsageError(
      'channel-url-invalid',
      `the webhook's URL ${what}`,
      'give one such as https://example.com/hooks/weir',
    );
  if (text.length > URL_CHARS_MAX) throw wrong(`has more than ${URL_CHARS_MAX} characters`);
  if (!URL.canParse(text)) throw wrong('is no URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw wrong(`begins with ${url.protocol}, not http or https`);
  if (url.username !== '' || url.password !== '') throw wrong('holds a user name or password');
  return url.href;
}

/** Path and query of a webhook are often its secret: shown is the host alone. */
export function shownUrl(href: string): string {
  const url = new URL(href);
  return url.pathname === '/' && url.search === '' ? url.origin : `${url.origin}/…`;
}
