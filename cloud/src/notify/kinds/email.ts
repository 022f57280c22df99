/**
 * E-mail by SMTP: text and simple HTML. A message has one Message-ID over all attempts, and names its episodes as what it refers
 * to, so that mail programs show the firing and its end as one thread.
 *
 *     <id of the message>.<id of the channel>@<domain of the sender>
 *     References: <episode>.<id of the channel>@<domain>, …
 *
 * @see RFC 5322 section 3.6.4
 */
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { plainLine, type Words, wordsOf } from '../words.ts';
import { checkUrl, credential, pem } from './http-settings.ts';
import { kind, type SmtpServer } from './kind.ts';
import { COLORS, colorOf } from './slack.ts';

const RECIPIENTS_MAX = 20;
const REFERENCES_MAX = 10;
const SUBJECT_CHARS_MAX = 200;
const PORTS = { 'smtp:': 587, 'smtps:': 465 } as const;

/** One that SMTP can carry without quotation. */
const address = z
  .string()
  .max(254)
  .regex(
    /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/,
    'an address such as ops@example.com',
  );

const smtpUrl = z.string().transform((text) => {
  const href = checkUrl(text, ['smtp:', 'smtps:']);
  const { hostname, pathname, search } = new URL(href);
  if (hostname === '' || (pathname !== '' && pathname !== '/') || search !== '') {
    throw new UsageError(
      'channel-url-invalid',
      'the URL of a mail server is a host and a port',
      'e.g. smtp://mail.example.com:587',
    );
  }
  return href;
});

const settings = z.strictObject({
  to: z.array(address).min(1).max(RECIPIENTS_MAX),
  from: address,
  /** `smtps://` speaks TLS from the first byte, `smtp://` as `tls` says. */
  smtp: smtpUrl,
  /** Without encryption mail and password can be read on the way: only where somebody says so. */
  tls: z.enum(['required', 'opportunistic', 'never']).default('required'),
  user: credential.optional(),
  password: credential.optional(),
  /** PEM of who signed the server's certificate, where the machine does not know them. */
  ca: pem.optional(),
});
export type EmailSettings = z.output<typeof settings>;

export const email = kind<EmailSettings>({
  title: 'e-mail, by a server that speaks SMTP',
  settings: settings as unknown as z.ZodType<EmailSettings>,
  secrets: ['password'],
  where: ({ to, smtp }) => `${to.join(', ')} by ${new URL(smtp).host}`,
  concurrency: 1,
  rate: '10/1m',
  template: { fills: 'text', escape: 'none' },
  compose(message, { settings: own, id, text }) {
    const domain = own.from.slice(own.from.lastIndexOf('@') + 1);
    const name = (what: string) => `<${what.replace(/[^A-Za-z0-9._-]/g, '_')}.${id}@${domain}>`;
    const words = wordsOf(message);
    const { subject, body } = textOf(words, text);
    const mail = {
      ...{ from: own.from, to: own.to, subject, text: body },
      html:
        text === undefined
          ? htmlOf(message, words)
          : `<pre style="font:inherit;white-space:pre-wrap">${html(body)}</pre>`,
      messageId: name(message.id),
      // A thread without a message of this name is still one.
      references: message.episodes.slice(0, REFERENCES_MAX).map((episode) => name(`episode-${episode}`)),
      date: message.createdAt,
    };
    return [{ by: 'smtp', server: serverOf(own), mail }];
  },
});

function serverOf({ smtp, tls, user, password, ca }: EmailSettings): SmtpServer {
  const { protocol, hostname: host, port } = new URL(smtp);
  const isImmediate = protocol === 'smtps:';
  const asked = tls === 'required' ? 'starttls' : tls;
  return {
    host,
    port: port === '' ? PORTS[isImmediate ? 'smtps:' : 'smtp:'] : Number(port),
    tls: isImmediate ? 'immediate' : asked,
    ...{ user, password, ca },
  };
}

/** A template whose first line begins with `Subject:` says that, too. */
function textOf(words: Words, text: string | undefined): { subject: string; body: string } {
  if (text === undefined) return { subject: plainLine(words.title, SUBJECT_CHARS_MAX), body: plainTextOf(words) };
  const [, subject = words.title, body = ''] = /^Subject:[ \t]*(.*)\r?\n?([\s\S]*)$/i.exec(text) ?? [
    text,
    words.title,
    text,
  ];
  return { subject: plainLine(subject, SUBJECT_CHARS_MAX) || words.title, body };
}

function plainTextOf({ title, items, more }: Words): string {
  const parts = items.map(({ headline, facts, description, runbook, url }) => {
    const rows = facts.map(([name, value]) => `  ${name.padEnd(8)}  ${value}`);
    const links = [runbook && `  Runbook   ${runbook}`, url && `  Open      ${url}`].filter(Boolean);
    return [headline, ...(description === undefined ? [] : [description]), ...rows, ...links].join('\n');
  });
  return `${[title, ...parts, ...(more === undefined ? [] : [more])].join('\n\n')}\n`;
}

function htmlOf(message: AlertMessage, { title, items, more }: Words): string {
  const parts = items.map(({ headline, facts, description, runbook, url, alert }) => {
    const rows = facts.map(
      ([name, value]) => `<tr><td style="color:#666;padding-right:12px">${html(name)}</td><td>${html(value)}</td></tr>`,
    );
    const links = [
      ...(runbook === undefined ? [] : [`<a href="${html(runbook)}">Runbook</a>`]),
      ...(url === undefined ? [] : [`<a href="${html(url)}">Open</a>`]),
    ].join(' &middot; ');
    const color = COLORS[alert.status === 'resolved' ? 'resolved' : alert.severity];
    return [
      `<h3 style="border-left:4px solid ${color};padding-left:8px">${html(headline)}</h3>`,
      ...(description === undefined ? [] : [`<p>${html(description)}</p>`]),
      `<table>${rows.join('')}</table>`,
      ...(links === '' ? [] : [`<p>${links}</p>`]),
    ].join('\n');
  });
  const rest = more === undefined ? '' : `<p>${html(more)}</p>`;
  return `<!doctype html><html><body style="font-family:sans-serif"><h2 style="color:${colorOf(message)}">${html(title)}</h2>\n${parts.join('\n')}${rest}</body></html>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function html(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}
