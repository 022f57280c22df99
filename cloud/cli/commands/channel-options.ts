/** What is typed about a channel, as what the API wants: settings by kind, and policy. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { oneOf, several, wholeNumber } from '../session.ts';

/** Options that say where to; each names a kind. */
const PLACES = {
  webhook: {
    flag: '--webhook <url>',
    what: 'POST each message there, as JSON, signed as Standard Webhooks says',
    setting: 'url',
  },
  alertmanager: { flag: '--alertmanager <url>', what: 'into an Alertmanager, by its API', setting: 'url' },
  email: {
    flag: '--email <address>',
    what: 'by mail; several times for several people; with --smtp and --from',
    setting: 'to',
  },
  slack: { flag: '--slack <url>', what: "a channel's incoming webhook in Slack", setting: 'url' },
  teams: { flag: '--teams <url>', what: 'the webhook of a workflow in Microsoft Teams', setting: 'url' },
  mattermost: { flag: '--mattermost <url>', what: 'an incoming webhook in Mattermost', setting: 'url' },
  pagerduty: {
    flag: '--pagerduty <key>',
    what: 'an integration key of PagerDuty (Events API v2); "-" reads it from standard input',
    setting: 'routingKey',
  },
  ntfy: { flag: '--ntfy <url>', what: 'a topic of ntfy, e.g. https://ntfy.sh/my-plant', setting: 'url' },
  mqtt: { flag: '--mqtt <url>', what: 'a broker, e.g. mqtts://broker.example.com; see --topic', setting: 'url' },
  command: {
    flag: '--actuator <topic>',
    what: 'a local topic of the device that the alert is of, for a siren or a lamp',
    setting: 'topic',
  },
  terminal: {
    flag: '--terminal',
    what: "one line for each alert, in the hub's log and its events",
    setting: undefined,
  },
} as const;

type Kind = keyof typeof PLACES;

/** As commander has them. */
export interface ChannelOptions {
  webhook?: string;
  alertmanager?: string;
  email?: string[];
  slack?: string;
  teams?: string;
  mattermost?: string;
  pagerduty?: string;
  ntfy?: string;
  mqtt?: string;
  actuator?: string;
  terminal?: boolean;
  signed?: boolean;
  format?: string;
  header?: string[];
  user?: string;
  passwordFile?: string;
  tokenFile?: string;
  ca?: string;
  smtp?: string;
  from?: string;
  smtpTls?: string;
  topic?: string;
  retain?: boolean;
  qos?: number;
  device?: string;
  firing?: string;
  resolved?: string | boolean;
  expiry?: string;
  resend?: string;
  chat?: string;
  eventsUrl?: string;
  template?: string | boolean;
  match?: string[];
  groupBy?: string;
  wait?: string;
  interval?: string;
  repeat?: string;
  rate?: string;
  quiet?: string[];
  quietZone?: string;
  quietDigest?: boolean;
  minSeverity?: string;
  sendResolved?: boolean;
  json?: boolean;
}

export function withPlaces(command: Command): Command {
  for (const [kind, { flag, what }] of Object.entries(PLACES)) {
    if (kind === 'email') command.option(flag, what, several);
    else command.option(flag, what);
  }
  return command.option('--no-signed', 'webhook: do not sign');
}

export function withSettings(command: Command): Command {
  return command
    .option(
      '--format <format>',
      'webhook: weir, or alertmanager: the body of its webhooks, version 4',
      oneOf('weir', 'alertmanager'),
    )
    .option('--header <name: value>', 'webhook: a header more; several times for several', several)
    .option('--smtp <url>', 'mail: the server, smtp://host:587 (STARTTLS) or smtps://host:465')
    .option('--from <address>', 'mail: the sender')
    .option(
      '--smtp-tls <how>',
      'mail, by smtp://: required, opportunistic or never',
      oneOf('required', 'opportunistic', 'never'),
    )
    .option('--topic <topic>', 'mqtt: may hold {device}, {sensor}, {metric}, {rule}, {severity}, {status}, {episode}')
    .option('--qos <n>', 'mqtt: 0 or 1', wholeNumber)
    .option('--retain', 'mqtt, actuator: who subscribes later gets the last word')
    .option('--device <device>', 'actuator: on this device, whichever the alert is of')
    .option('--firing <payload>', 'actuator: what is published when it fires (on)')
    .option('--over <payload>', 'actuator: what is published when it is over (off)')
    .option('--expiry <duration>', 'actuator: for how long a device that is away may come back for it (1h)')
    .option('--resend <duration>', 'alertmanager: how often it is told again what fires (1m)')
    .option('--chat <name>', 'mattermost: in which channel there')
    .option('--events-url <url>', 'pagerduty: elsewhere than https://events.pagerduty.com/v2/enqueue')
    .option('--user <name>', 'mail, mqtt, ntfy, alertmanager')
    .option('--password-file <file>', 'its password; "-" reads it from standard input')
    .option('--token-file <file>', 'ntfy, alertmanager: a bearer token; "-" reads it from standard input')
    .option('--ca <file>', "mail, mqtt: who signed the server's certificate (PEM)")
    .option('--template <file>', 'what messages say instead of our own words; see docs/operations/alerts.md');
}

export function withPolicy(command: Command): Command {
  return command
    .option(
      '--match <matchers>',
      'only these alerts, e.g. \'device=~"oven.*",severity=critical\'; several times: any of them',
      several,
    )
    .option('--min-severity <severity>', 'info, warning or critical', oneOf('info', 'warning', 'critical'))
    .option(
      '--group-by <labels>',
      'one message for all with these labels in common, e.g. device,alertname; all: one for all',
    )
    .option('--wait <duration>', 'of a group: how long the first waits for others (30s)')
    .option('--interval <duration>', 'of a group: the least time between two messages (5m)')
    .option('--repeat <duration>', 'say again that it fires')
    .option('--rate <n/duration>', 'at most so many messages, e.g. 60/1m; more are one digest')
    .option('--quiet <times>', 'quiet hours, e.g. 22:00-06:00 or Sat,Sun; several times for several', several)
    .option('--quiet-zone <zone>', 'of the quiet hours, e.g. Europe/Berlin (UTC)')
    .option('--quiet-digest', 'after quiet hours one message tells of all that was')
    .option('--no-send-resolved', 'do not tell that something is over');
}

/** @returns the kind that was asked for, and its own setting. @throws {Misuse} unless it is exactly one */
export async function placeOf(
  name: string,
  options: ChannelOptions,
  input: NodeJS.ReadableStream,
): Promise<{ kind: Kind; settings: Record<string, unknown> }> {
  const given = (Object.keys(PLACES) as Kind[]).filter((kind) => givenAt(kind, options) !== undefined);
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    const flags = Object.values(PLACES).map(({ flag }) =>
      flag.replace(/<(.*)>/, (_, what: string) => what.toUpperCase()),
    );
    throw new Misuse('where to?', `give one of ${flags.join(', ')}: weir channel add ${name} …`);
  }
  const { setting } = PLACES[kind];
  const value = givenAt(kind, options);
  const settings: Record<string, unknown> =
    setting === undefined ? {} : { [setting]: value === '-' ? await readAll(input) : value };
  if (kind === 'webhook' && options.signed === false) settings.signed = false;
  return { kind, settings };
}

function givenAt(kind: Kind, options: ChannelOptions): unknown {
  return kind === 'command' ? options.actuator : options[kind];
}

/** Settings but for the place. Only what was typed. @throws {Misuse} */
export async function settingsOf(
  options: ChannelOptions & { over?: string },
  input: NodeJS.ReadableStream,
): Promise<Record<string, unknown>> {
  const settings: Record<string, unknown> = {
    format: options.format,
    headers: options.header && Object.fromEntries(options.header.map(headerOf)),
    ...{ smtp: options.smtp, from: options.from, tls: options.smtpTls, topic: options.topic, qos: options.qos },
    ...{ retain: options.retain, device: options.device, firing: options.firing, resolved: options.over },
    ...{ expiry: options.expiry, resend: options.resend, channel: options.chat, user: options.user },
    password: options.passwordFile === undefined ? undefined : await secretFrom(options.passwordFile, input),
    token: options.tokenFile === undefined ? undefined : await secretFrom(options.tokenFile, input),
    ca: options.ca === undefined ? undefined : await textFrom(options.ca),
  };
  if (options.eventsUrl !== undefined) settings.url = options.eventsUrl;
  return typed(settings);
}

/** Only what was typed. @param before quiet hours that there are, of which parts may be changed */
export function policyOf(
  options: ChannelOptions,
  before?: { zone?: string; times?: string[]; digest?: boolean },
): Record<string, unknown> {
  const { quiet, quietZone, quietDigest } = options;
  const isQuiet = quiet !== undefined || quietZone !== undefined || quietDigest !== undefined;
  if (isQuiet && quiet === undefined && before === undefined) {
    throw new Misuse('which quiet hours?', 'give --quiet, e.g. --quiet 22:00-06:00');
  }
  const quietHours = isQuiet
    ? { ...before, ...typed({ times: quiet, zone: quietZone, digest: quietDigest }) }
    : undefined;
  return typed({
    ...{ match: options.match, minSeverity: options.minSeverity, wait: options.wait, interval: options.interval },
    groupBy: options.groupBy === undefined ? undefined : options.groupBy === 'all' ? [] : options.groupBy.split(','),
    ...{ repeat: options.repeat, rate: options.rate, quietHours },
    sendResolved: options.sendResolved === false ? false : undefined,
  });
}

export async function textFrom(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as Error).message}`, 'give the path of a file');
  }
}

function typed(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function headerOf(text: string): [string, string] {
  const at = text.indexOf(':');
  if (at < 1) throw new Misuse(`--header is given as "Name: value"; found "${text}"`, 'e.g. --header "X-Plant: 7"');
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

async function secretFrom(file: string, input: NodeJS.ReadableStream): Promise<string> {
  return file === '-' ? readAll(input) : (await textFrom(file)).trim();
}

/** Once: what is there belongs to the first who asks. */
async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8').trim();
}
