/**
 * Mattermost's incoming webhooks. Its texts are markdown wherever they stand, so all that comes from sensors and users is escaped,
 * and mentions nobody.
 *
 * @see https://developers.mattermost.com/integrate/reference/message-attachments/
 */
import { z } from 'zod';
import { escapeMarkdown } from '../template.ts';
import { type Item, wordsOf } from '../words.ts';
import { httpUrl, JSON_HEADERS, shownUrl } from './http-settings.ts';
import { kind } from './kind.ts';
import { colorOf } from './slack.ts';

const settings = z.strictObject({
  url: httpUrl,
  /** In which channel it appears, where the webhook is not bound to one. */
  channel: z.string().min(1).max(64).optional(),
});
export type MattermostSettings = z.output<typeof settings>;

/** A post may have 16,383 characters. */
const ITEMS_MAX = 10;

export const mattermost = kind<MattermostSettings>({
  title: 'a channel in Mattermost, by an incoming webhook',
  settings: settings as unknown as z.ZodType<MattermostSettings>,
  secrets: ['url'],
  where: ({ url }) => shownUrl(url),
  concurrency: 1,
  rate: '30/1m',
  template: { fills: 'text', escape: 'markdown' },
  compose(message, { settings: { url, channel }, text }) {
    const { title, items, more } = wordsOf(message);
    const color = colorOf(message);
    const hidden = items.length - ITEMS_MAX;
    const rest = [hidden > 0 ? `… and ${hidden} more in this message` : undefined, more].filter(
      (each) => each !== undefined,
    );
    const made = {
      text: `**${escapeMarkdown(title)}**`,
      attachments: [
        ...items.slice(0, ITEMS_MAX).map((item) => attachmentOf(item, color)),
        ...rest.map((line) => ({ color, fallback: line, text: escapeMarkdown(line) })),
      ],
    };
    const body = {
      username: 'weir',
      ...(channel !== undefined && { channel }),
      ...(text === undefined ? made : { text }),
    };
    return [{ by: 'http', url, headers: JSON_HEADERS, body: JSON.stringify(body), isExplained: true }];
  },
});

function attachmentOf({ headline, description, facts, runbook, url }: Item, color: string) {
  const links = [
    ...(runbook === undefined ? [] : [`[Runbook](${linkOf(runbook)})`]),
    ...(url === undefined ? [] : [`[Open](${linkOf(url)})`]),
  ].join('  ');
  const lines = [headline, ...(description === undefined ? [] : [description])].map(escapeMarkdown);
  return {
    color,
    fallback: escapeMarkdown(headline),
    text: [...lines, ...(links === '' ? [] : [links])].join('\n'),
    fields: facts.map(([name, value]) => ({ short: true, title: name, value: escapeMarkdown(value) })),
  };
}

/** Brackets and spaces would end the link. */
function linkOf(url: string): string {
  return url.replace(/[()<>\s]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}
