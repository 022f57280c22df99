import type { Command } from 'commander';
import type { Channel } from '../answers.ts';
import { Failure, Misuse } from '../failure.ts';
import { type RemoveOptions, removeFrom, withRemoveOptions } from '../removing.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime, plain } from '../table.ts';
import { letterCommands } from './channel-letters.ts';
import {
  type ChannelOptions,
  placeOf,
  policyOf,
  settingsOf,
  textFrom,
  withPlaces,
  withPolicy,
  withSettings,
} from './channel-options.ts';

export function channelCommands(session: Session): Command {
  const channel = family('channel', 'where alerts go');
  addCommand(channel, session);
  setCommand(channel, session);
  listCommands(channel, session);
  testCommand(channel, session);
  for (const what of ['enable', 'disable'] as const) {
    channel
      .command(what)
      .description(
        what === 'enable'
          ? 'tell a channel again what is new, and what waits'
          : 'tell a channel nothing new; what it has to hear of the end of what it was told waits',
      )
      .argument('<name>')
      .action(async (name: string) => {
        await session.hub().send('POST', path`/channels/${name}/${what}`);
        session.note(`${what === 'enable' ? 'Enabled' : 'Disabled'} channel ${name}\n`);
      });
  }
  withRemoveOptions(channel.command('remove'))
    .description('remove a channel, and what waits for it; refused while something fires that it was told of')
    .argument('<name>')
    .option('--force', 'all the same: it is never told that this is over')
    .addHelpText('after', examples('weir channel remove on-call', 'weir channel remove on-call --force'))
    .action((name: string, { force = false, ...options }: RemoveOptions & { force?: boolean }) =>
      removeFrom(session, options, {
        what: { channel: name },
        remove: () => session.hub().send('DELETE', `${path`/channels/${name}`}${force ? '?force=true' : ''}`),
        gone: `Removed channel ${name}`,
      }),
    );
  letterCommands(channel, session);
  return channel;
}

function addCommand(channel: Command, session: Session): void {
  const add = channel
    .command('add')
    .description(
      'send alerts somewhere: to a webhook, by mail, to a chat, a pager, a broker, a device, or the terminal',
    )
    .argument('<name>');
  withPolicy(withSettings(withPlaces(add)))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir channel add on-call --webhook https://example.com/hooks/weir',
        'weir channel add ops --email ops@example.com --smtp smtp://mail.example.com --from weir@example.com',
        'weir channel add chat --slack https://hooks.slack.com/services/… --group-by device --rate 10/1m',
        'weir channel add am --alertmanager http://127.0.0.1:9093',
        'pass show pagerduty | weir channel add pager --pagerduty - --min-severity critical',
        'weir channel add siren --actuator cmd/siren --match alertname=oven-hot',
        'weir channel add here --terminal',
      ),
    )
    .action(async (name: string, options: ChannelOptions) => {
      const { kind, settings } = await placeOf(name, options, session.terminal.input);
      const policy = policyOf(options);
      const body = {
        ...{ name, kind, ...(await settingsOf(options, session.terminal.input)), ...settings },
        ...(Object.keys(policy).length > 0 && { policy }),
        ...(typeof options.template === 'string' && { template: await textFrom(options.template) }),
      };
      const { secret } = await session.hub().send<{ secret?: string }>('POST', '/channels', body);
      if (options.json) {
        session.out(`${JSON.stringify({ name, secret }, null, 2)}\n`);
        return;
      }
      session.note(`Added channel ${name}. Try it: weir channel test ${name}\n`);
      showSecret(session, secret);
    });
}

interface SetOptions extends ChannelOptions {
  rotateSecret?: boolean;
  endRotation?: boolean;
  unset?: string;
}

const POLICY_NAMES = [
  'match',
  'minSeverity',
  'groupBy',
  'wait',
  'interval',
  'repeat',
  'rate',
  'quietHours',
  'sendResolved',
];

function setCommand(channel: Command, session: Session): void {
  const set = channel
    .command('set')
    .description('change a channel; what is not named stays')
    .argument('<name>')
    .option('--url <url>', 'of a webhook, a chat, a broker, an Alertmanager or ntfy')
    .option('--email <address>', 'mail: to these from now on', (text: string, before: string[] = []) => [
      ...before,
      text,
    ])
    .option('--rotate-secret', 'webhook: a new signing secret beside those there are; it signs with all of them')
    .option('--end-rotation', 'webhook: sign with the newest secret alone')
    .option('--no-template', 'our own words again')
    .option('--unset <names>', `take away, e.g. rate,quietHours: ${POLICY_NAMES.join(', ')}, or a setting`);
  withPolicy(withSettings(set))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir channel set ops --min-severity warning --quiet 22:00-06:00 --quiet-zone Europe/Berlin',
        'weir channel set on-call --rotate-secret          and, when its receiver has it: --end-rotation',
        'weir channel set ops --unset quietHours,minSeverity',
      ),
    )
    .action(async (name: string, options: SetOptions & { url?: string }) => {
      const hub = session.hub();
      const current = await hub.get<Channel>(path`/channels/${name}`);
      const { secret } = await hub.send<{ secret?: string }>(
        'PATCH',
        path`/channels/${name}`,
        await changeOf(session, options, current),
      );
      if (options.json) session.out(`${JSON.stringify({ name, secret }, null, 2)}\n`);
      else {
        session.note(`Changed channel ${name}. Try it: weir channel test ${name}\n`);
        showSecret(session, secret);
      }
    });
}

async function changeOf(session: Session, options: SetOptions & { url?: string }, current: Channel): Promise<object> {
  const settings = await settingsOf(options, session.terminal.input);
  if (options.url !== undefined) settings.url = options.url;
  if (options.email !== undefined) settings.to = options.email;
  const policy = policyOf(options, current.policy?.quietHours);
  for (const name of options.unset?.split(',') ?? []) (POLICY_NAMES.includes(name) ? policy : settings)[name] = null;
  if (options.rotateSecret && options.endRotation) {
    throw new Misuse('a rotation cannot begin and end at once', 'end it when the receiver has the new secret');
  }
  const template = typeof options.template === 'string' ? await textFrom(options.template) : undefined;
  const change = {
    ...(Object.keys(settings).length > 0 && { settings }),
    ...(Object.keys(policy).length > 0 && { policy }),
    ...(template !== undefined && { template }),
    ...(options.template === false && { template: null }),
    ...(options.rotateSecret && { rotate: 'begin' }),
    ...(options.endRotation && { rotate: 'end' }),
  };
  if (Object.keys(change).length === 0) throw new Misuse('what shall change?', 'see weir channel set --help');
  return change;
}

function showSecret(session: Session, secret: string | undefined): void {
  if (secret === undefined) return;
  session.note('Its receiver checks the signature with this secret, which is shown only now:\n');
  session.out(`${secret}\n`);
}

function listCommands(channel: Command, session: Session): void {
  channel
    .command('list')
    .description('channels, and how they are doing')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir channel list'))
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<Channel>('/channels');
      listing(session, options, items, {
        empty: 'Alerts go nowhere yet. Add a channel: weir channel add NAME --webhook URL',
        heading: ['CHANNEL', 'KIND', 'STATE', 'WAITING', 'DELIVERED', 'DEAD', 'DETAIL'],
        texts: [6],
        row: (each) => [
          each.name,
          each.kind,
          each.state,
          String(each.waiting),
          String(each.delivered),
          String(each.deadLetters),
          detail(each),
        ],
      });
    });
  channel
    .command('show')
    .description('a channel: where it goes, what it wants to be told, and how it is doing; never what is secret')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const found = await session.hub().get<Channel>(path`/channels/${name}`);
      session.out(options.json ? `${JSON.stringify(found, null, 2)}\n` : describe(found));
    });
}

function testCommand(channel: Command, session: Session): void {
  interface Answer {
    delivered: boolean;
    detail: string;
    results: { status: string; delivered: boolean; detail: string }[];
  }
  channel
    .command('test')
    .description('send a sample that fires, and its end; ones that arrive enable a channel that was gone')
    .argument('<name>')
    .option('--dry', 'send nothing: show what would be sent')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('weir channel test on-call', 'weir channel test on-call --dry      also shows what a template makes'),
    )
    .action(async (name: string, options: { dry?: boolean; json?: boolean }) => {
      if (options.dry) return preview(session, name, options.json ?? false);
      const answer = await session.hub().send<Answer>('POST', path`/channels/${name}/test`);
      if (options.json) session.out(`${JSON.stringify(answer, null, 2)}\n`);
      if (!answer.delivered) {
        throw new Failure(`the test did not arrive: ${answer.detail}`, 'is the address right, and the receiver up?');
      }
      if (!options.json) session.note(`The test arrived: ${answer.detail}\n`);
    });
}

interface Preview {
  status: string;
  parcels: Record<string, unknown>[];
  fault?: string;
}

async function preview(session: Session, name: string, json: boolean): Promise<void> {
  const { items } = await session.hub().get<{ items: Preview[] }>(path`/channels/${name}/preview`);
  if (json) {
    session.out(`${JSON.stringify(items, null, 2)}\n`);
    return;
  }
  for (const { status, parcels, fault } of items) {
    session.out(`--- ${status}\n`);
    if (fault !== undefined) session.note(`The template is passed over: ${fault}\n`);
    for (const { body, ...parcel } of parcels) {
      session.out(`${JSON.stringify(parcel, null, 2)}\n`);
      if (typeof body === 'string') session.out(`${indented(body)}\n`);
    }
  }
}

/** As people read JSON; whatever else it is, as it is. */
function indented(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

function describe(found: Channel): string {
  const { settings, secrets, policy, template } = found;
  const lines = [
    `channel    ${found.name}, ${found.kind}`,
    `state      ${found.state}, circuit ${found.circuit}`,
    `goes to    ${found.url ?? '-'}`,
    `delivered  ${found.delivered}${found.lastDeliveredAt === undefined ? '' : `, last ${clockTime(found.lastDeliveredAt)}`}`,
    `waiting    ${found.waiting}`,
    `dead       ${found.deadLetters}, and ${found.dropped} given up for good`,
    ...(found.lastError === undefined ? [] : [`problem    ${plain(found.lastError)}`]),
    ...Object.entries(settings).map(([name, value]) => `  ${name}: ${plain(JSON.stringify(value))}`),
    ...secrets.map((name) => `  ${name}: (secret)`),
    ...(policy === undefined ? [] : [`policy     ${plain(JSON.stringify(policy))}`]),
    ...(template === undefined ? [] : ['template', ...template.split('\n').map((line) => `  ${plain(line)}`)]),
  ];
  return `${lines.join('\n')}\n`;
}

function detail({ url, lastError, nextAttemptAt, lastDeliveredAt }: Channel): string {
  const parts = url === undefined ? [] : [url];
  if (lastError !== undefined) parts.push(lastError);
  if (nextAttemptAt !== undefined) parts.push(`next try ${clockTime(nextAttemptAt)}`);
  else if (lastDeliveredAt !== undefined) parts.push(`last ${clockTime(lastDeliveredAt)}`);
  return parts.join(', ');
}
