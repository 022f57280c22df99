/**
 * Slack's incoming webhooks. What sensors and users say stands in `plain_text`, where nothing is markup; the rest is escaped.
 *
 * @see https://docs.slack.dev/reference/block-kit/blocks
 */
import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { escapeSlack } from '../template.ts';
import { greatest } from '../template-fields.ts';
import { type Item, shortened, wordsOf } from '../words.ts';
import { httpUrl, JSON_HEADERS, shownUrl } from './http-settings.ts';
import { kind } from './kind.ts';

const settings = z.strictObject({ url: httpUrl });
export type SlackSettings = z.output<typeof settings>;

/** Of 50 blocks that a message may have, two for each alert. */
const ITEMS_MAX = 20;
const HEADER_CHARS_MAX = 150;
const SECTION_CHARS_MAX = 2_900;

export const COLORS = { critical: '#d32f2f', warning: '#f9a825', info: '#1976d2', resolved: '#2e7d32' } as const;

export function colorOf({ status, alerts }: AlertMessage): string {
  return COLORS[status === 'resolved' ? 'resolved' : greatest(alerts)];
}

export const slack = kind<SlackSettings>({
  title: 'a channel in Slack, by an incoming webhook',
  settings,
  secrets: ['url'],
  where: ({ url }) => shownUrl(url),
  concurrency: 1,
  // It takes one a second.
  rate: '30/1m',
  template: { fills: 'text', escape: 'slack' },
  compose(message, { settings: { url }, text }) {
    const body = JSON.stringify(
      text === undefined ? blocksOf(message) : { text, unfurl_links: false, unfurl_media: false },
    );
    return [{ by: 'http', url, headers: JSON_HEADERS, body, isExplained: true }];
  },
});

const plain = (text: string) => ({ type: 'plain_text', text, emoji: false });

function blocksOf(message: AlertMessage) {
  const { title, items, more } = wordsOf(message);
  const hidden = items.length - ITEMS_MAX;
  const rest = [hidden > 0 ? `… and ${hidden} more in this message` : undefined, more].filter(
    (each) => each !== undefined,
  );
  const blocks = [
    { type: 'header', text: plain(shortened(title, HEADER_CHARS_MAX)) },
    ...items.slice(0, ITEMS_MAX).flatMap(blocksOfItem),
    ...rest.map((text) => ({ type: 'section', text: plain(text) })),
  ];
  return {
    // For notifications, and for clients that show no blocks.
    text: escapeSlack(title),
    unfurl_links: false,
    unfurl_media: false,
    attachments: [{ color: colorOf(message), fallback: title, blocks }],
  };
}

function blocksOfItem({ headline, description, facts, runbook, url }: Item): object[] {
  const lines = [headline, ...(description === undefined ? [] : [description])];
  const links = [
    ...(runbook === undefined ? [] : [`<${linkOf(runbook)}|Runbook>`]),
    ...(url === undefined ? [] : [`<${linkOf(url)}|Open>`]),
  ].join('  ');
  const context = facts.map(([name, value]) => `${name}: ${value}`).join('  ·  ');
  return [
    { type: 'section', text: plain(shortened(lines.join('\n'), SECTION_CHARS_MAX)) },
    {
      type: 'context',
      elements: [
        plain(shortened(context, SECTION_CHARS_MAX)),
        ...(links === '' ? [] : [{ type: 'mrkdwn', text: links, verbatim: true }]),
      ],
    },
  ];
}

/** `|` and angle brackets would end the link. */
function linkOf(url: string): string {
  return escapeSlack(url.replace(/[|<>]/g, encodeURIComponent));
}
