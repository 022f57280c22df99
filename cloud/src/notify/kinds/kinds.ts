/** All kinds of channels, by name. A new one is a file beside this, a line here, and its section in docs/operations/alerts.md. */
import { alertmanager } from './alertmanager.ts';
import { command } from './command.ts';
import { email } from './email.ts';
import type { ChannelKind } from './kind.ts';
import { mattermost } from './mattermost.ts';
import { mqtt } from './mqtt.ts';
import { ntfy } from './ntfy.ts';
import { pagerduty } from './pagerduty.ts';
import { slack } from './slack.ts';
import { teams } from './teams.ts';
import { terminal } from './terminal.ts';
import { webhook } from './webhook.ts';

export const KIND_NAMES = [
  'webhook',
  'alertmanager',
  'email',
  'slack',
  'teams',
  'mattermost',
  'pagerduty',
  'ntfy',
  'mqtt',
  'command',
  'terminal',
] as const;
export type KindName = (typeof KIND_NAMES)[number];

// Settings are checked by the schema of their kind, and handed to that kind alone.
// biome-ignore lint/suspicious/noExplicitAny: no one type is that of all settings
type AnyKind = ChannelKind<any>;

export const KINDS: Readonly<Record<KindName, AnyKind>> = {
  ...{ webhook, alertmanager, email, slack, teams, mattermost, pagerduty, ntfy, mqtt, command, terminal },
};
