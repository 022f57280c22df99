import type { Command } from 'commander';
import type { Channel } from '../answers.ts';
import { Failure, Misuse } from '../failure.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime } from '../table.ts';

interface AddOptions {
  webhook?: string;
  terminal?: boolean;
  signed: boolean;
  json?: boolean;
}

export function channelCommands(session: Session): Command {
  const channel = family('channel', 'where alerts go');
  channel
    .command('add')
    .description('send alerts to a webhook, or to the terminal')
    .argument('<name>')
    .option('--webhook <url>', 'POST each alert there, as JSON, signed as Standard Webhooks says')
    .option('--terminal', "one line for each alert, in the hub's log and its events")
    .option('--no-signed', 'do not sign')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('weir channel add on-call --webhook https://example.com/hooks/weir', 'weir channel add here --terminal'),
    )
    .action((name: string, options: AddOptions) => add(session, name, options));
  channel
    .command('list')
    .description('channels, and how they are doing')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<Channel>('/channels');
      listing(session, options, items, {
        empty: 'Alerts go nowhere yet. Add a channel: weir channel add NAME --webhook URL',
        heading: ['CHANNEL', 'KIND', 'STATE', 'WAITING', 'DELIVERED', 'DROPPED', 'DETAIL'],
        row: (each) => [
          each.name,
          each.kind,
          each.state,
          String(each.waiting),
          String(each.delivered),
          String(each.dropped),
          detail(each),
        ],
      });
    });
  channel
    .command('test')
    .description('send a test message now; one that arrives enables a disabled channel again')
    .argument('<name>')
    .action(async (name: string) => {
      type Answer = { delivered: boolean; detail: string };
      const { delivered, detail } = await session.hub().send<Answer>('POST', path`/channels/${name}/test`);
      if (!delivered) throw new Failure(`the test did not arrive: ${detail}`, 'is the URL right, and the receiver up?');
      session.note(`The test arrived: ${detail}\n`);
    });
  channel
    .command('remove')
    .description('remove a channel, and what waits for it')
    .argument('<name>')
    .action(async (name: string) => {
      await session.hub().send('DELETE', path`/channels/${name}`);
      session.note(`Removed channel ${name}\n`);
    });
  return channel;
}

async function add(session: Session, name: string, { webhook, terminal, signed, json }: AddOptions): Promise<void> {
  if ((webhook === undefined) === (terminal === undefined)) {
    throw new Misuse('where to?', `give one of --webhook URL and --terminal: weir channel add ${name} …`);
  }
  const target = webhook === undefined ? { kind: 'terminal' } : { kind: 'webhook', url: webhook, signed };
  const { secret } = await session.hub().send<{ secret?: string }>('POST', '/channels', { name, ...target });
  if (json) {
    session.out(`${JSON.stringify({ name, secret }, null, 2)}\n`);
    return;
  }
  session.note(`Added channel ${name}. Try it: weir channel test ${name}\n`);
  if (secret === undefined) return;
  session.note('Its receiver checks the signature with this secret, which is shown only now:\n');
  session.out(`${secret}\n`);
}

function detail({ url, lastError, nextAttemptAt, lastDeliveredAt }: Channel): string {
  const parts = url === undefined ? [] : [url];
  if (lastError !== undefined) parts.push(lastError);
  if (nextAttemptAt !== undefined) parts.push(`next try ${clockTime(nextAttemptAt)}`);
  else if (lastDeliveredAt !== undefined) parts.push(`last ${clockTime(lastDeliveredAt)}`);
  return parts.join(', ');
}
