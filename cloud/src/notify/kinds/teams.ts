/**
 * Microsoft Teams, by the webhook of a workflow ("when a Teams webhook request is received"): an adaptive card. All texts are
 * runs of rich text, in which no markdown is read.
 *
 * @see https://adaptivecards.io/explorer/RichTextBlock.html
 */
import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { greatest } from '../template-fields.ts';
import { type Item, wordsOf } from '../words.ts';
import { httpUrl, JSON_HEADERS, shownUrl } from './http-settings.ts';
import { kind } from './kind.ts';

const settings = z.strictObject({ url: httpUrl });
export type TeamsSettings = z.output<typeof settings>;

/** A card may have 28 KB. */
const ITEMS_MAX = 10;
const STYLES = { critical: 'attention', warning: 'warning', info: 'accent', resolved: 'good' } as const;

export const teams = kind<TeamsSettings>({
  title: 'a channel in Microsoft Teams, by the webhook of a workflow',
  settings,
  secrets: ['url'],
  where: ({ url }) => shownUrl(url),
  concurrency: 1,
  // Four a second, and the workflow behind it takes its time.
  rate: '30/1m',
  template: { fills: 'text', escape: 'none' },
  compose(message, { settings: { url }, text }) {
    const body = text === undefined ? cardOf(message) : [rich(text)];
    const actions = text === undefined ? actionsOf(message) : [];
    return [
      { by: 'http', url, headers: JSON_HEADERS, body: JSON.stringify(envelope(body, actions)), isExplained: true },
    ];
  },
});

function envelope(body: object[], actions: object[]) {
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          msteams: { width: 'Full' },
          body,
          ...(actions.length > 0 && { actions }),
        },
      },
    ],
  };
}

function rich(text: string, style: object = {}) {
  return { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, ...style }] };
}

function cardOf(message: AlertMessage): object[] {
  const { title, items, more } = wordsOf(message);
  const style = STYLES[message.status === 'resolved' ? 'resolved' : greatest(message.alerts)];
  const hidden = items.length - ITEMS_MAX;
  return [
    { type: 'Container', style, bleed: true, items: [rich(title, { weight: 'bolder', size: 'medium' })] },
    ...items.slice(0, ITEMS_MAX).flatMap(blocksOf),
    ...(hidden > 0 ? [rich(`… and ${hidden} more in this message`)] : []),
    ...(more === undefined ? [] : [rich(more)]),
  ];
}

function blocksOf({ headline, description, facts }: Item): object[] {
  return [
    rich(headline, { weight: 'bolder' }),
    ...(description === undefined ? [] : [rich(description)]),
    rich(facts.map(([name, value]) => `${name}: ${value}`).join('  ·  '), { isSubtle: true, size: 'small' }),
  ];
}

/** One of each for the first alert: a card has room for few. */
function actionsOf(message: AlertMessage): object[] {
  const { runbook, url } = wordsOf(message).items[0] ?? {};
  const open = (title: string, link: string | undefined) =>
    link === undefined ? [] : [{ type: 'Action.OpenUrl', title, url: link }];
  return [...open('Runbook', runbook), ...open('Open', url)];
}
