/** ntfy, at ntfy.sh or a server of one's own. @see https://docs.ntfy.sh/publish/#publish-as-json */
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { greatest } from '../template-fields.ts';
import { shortened, type Words, wordsOf } from '../words.ts';
import { checkUrl, credential, headerText, JSON_HEADERS } from './http-settings.ts';
import { kind } from './kind.ts';

const TOPIC = /^[-_A-Za-z0-9]{1,64}$/;

const topicUrl = z.string().transform((text) => {
  const url = new URL(checkUrl(text));
  if (TOPIC.test(url.pathname.split('/').at(-1) ?? '')) return url.href;
  throw new UsageError('channel-url-invalid', 'the URL of ntfy ends with no topic', 'e.g. https://ntfy.sh/my-plant');
});

const settings = z.strictObject({
  /** With the topic at its end. */
  url: topicUrl,
  token: headerText.optional(),
  user: credential.optional(),
  password: credential.optional(),
});
export type NtfySettings = z.output<typeof settings>;

/** 1 to 5, 3 is usual. */
const PRIORITIES = { critical: 5, warning: 4, info: 3 } as const;
const RESOLVED_PRIORITY = 3;
/** Of things that need nobody in a hurry. */
const QUIET_PRIORITY = 2;
const TAGS = { critical: 'rotating_light', warning: 'warning', info: 'information_source' } as const;
/** More becomes a file. */
const MESSAGE_CHARS_MAX = 3_900;

export const ntfy = kind<NtfySettings>({
  title: 'a topic of ntfy, to phones',
  settings: settings as unknown as z.ZodType<NtfySettings>,
  // Who knows the topic reads along.
  secrets: ['url', 'token', 'password'],
  where: ({ url }) => `${new URL(url).origin}/…`,
  concurrency: 1,
  rate: '30/1m',
  template: { fills: 'text', escape: 'none' },
  compose(message, { settings: { url, token, user, password }, text }) {
    const { base, topic } = partsOf(url);
    const words = wordsOf(message);
    const isOver = message.status === 'resolved';
    const severity = greatest(message.alerts);
    const isQuiet = message.why === 'historical' || severity === 'info';
    const click = words.items[0]?.url ?? words.items[0]?.runbook;
    const body = {
      topic,
      title: words.title,
      message: shortened(text ?? textOf(message, words), MESSAGE_CHARS_MAX),
      priority: isOver
        ? isQuiet
          ? QUIET_PRIORITY
          : RESOLVED_PRIORITY
        : isQuiet
          ? PRIORITIES.info
          : PRIORITIES[severity],
      tags: [isOver ? 'white_check_mark' : TAGS[severity]],
      ...(click !== undefined && { click }),
    };
    const basic = Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64');
    const authorization = token !== undefined ? `Bearer ${token}` : user !== undefined ? `Basic ${basic}` : undefined;
    const headers = { ...JSON_HEADERS, ...(authorization !== undefined && { authorization }) };
    return [{ by: 'http', url: base, headers, body: JSON.stringify(body), isExplained: true }];
  },
});

function partsOf(text: string): { base: string; topic: string } {
  const url = new URL(text);
  const levels = url.pathname.split('/');
  const topic = levels.pop()!;
  return { base: new URL(`${levels.join('/')}/`, url.origin).href, topic };
}

function textOf({ counts }: AlertMessage, { items, more }: Words): string {
  const isOne = counts.firing + counts.resolved === 1;
  const lines = items.flatMap(({ headline, facts, alert }) => {
    const measured = facts
      .filter(([name]) => name !== 'Rule' && name !== 'Severity')
      .map(([name, value]) => `${name}: ${value}`);
    return isOne ? [headline, measured.join('\n')] : [`${alert.status === 'firing' ? '●' : '○'} ${headline}`];
  });
  return [...lines, ...(more === undefined ? [] : [more])].join('\n');
}
