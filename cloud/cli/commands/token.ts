import type { Command } from 'commander';
import type { JoinTokenSummary } from '../answers.ts';
import { examples, family, listing, pair, path, type Session, several, wholeNumber } from '../session.ts';
import { clockTime } from '../table.ts';

interface CreateOptions {
  group: string[];
  ttl: string;
  uses: number;
  replace?: boolean;
  tag?: string[];
  json?: boolean;
}

export function tokenCommands(session: Session): Command {
  const token = family('token', 'join tokens: how a device becomes part of the fleet');
  token
    .command('create')
    .description('make a token with which a device joins; it pins this hub, and is shown only now')
    .requiredOption('--group <group>', 'group the device joins; may be given several times', several)
    .option('--ttl <duration>', 'how long it can be used', '24h')
    .option('--uses <n>', 'how many devices may join with it', wholeNumber, 1)
    .option('--replace', 'lets a device of these groups join again, e.g. after its disk was lost')
    .option('--tag <key=value>', 'tag for the devices that join; may be given several times', several)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir token create --group ovens                    one device, within 24 hours',
        'weir token create --group ovens --uses 20 --ttl 7d',
        'weir token create --group ovens --replace          for one of its devices that has to join again',
        'TOKEN=$(weir token create --group ovens)           only the token goes to standard output',
      ),
    )
    .action(async ({ group, ttl, uses, replace, tag = [], json }: CreateOptions) => {
      const tags = Object.fromEntries(tag.map((text) => pair(text, 'a tag')));
      const body = { groups: group, ttl, uses, replace: replace ?? false, tags };
      const made = await session
        .hub()
        .send<{ id: string; token: string; joinUrl: string; expiresAt: number }>('POST', '/tokens', body);
      if (json) {
        session.out(`${JSON.stringify(made, null, 2)}\n`);
        return;
      }
      session.out(`${made.token}\n`);
      session.note(
        `\nToken ${made.id}, shown only now. Good for ${uses === 1 ? 'one device' : `${uses} devices`} until ${clockTime(made.expiresAt)}. On the device:\n` +
          `  weir-agent join ${made.joinUrl} --token TOKEN\n` +
          `To end it before: weir token revoke ${made.id}\n`,
      );
    });
  token
    .command('list')
    .description('the tokens there are, without their secrets')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<JoinTokenSummary>('/tokens');
      listing(session, options, items, {
        empty: 'There are no join tokens. Make one: weir token create --group GROUP',
        heading: ['TOKEN', 'STATE', 'USES LEFT', 'UNTIL', 'GROUPS', 'JOIN AGAIN'],
        row: (each) => [
          each.id,
          each.state,
          `${each.usesLeft} of ${each.uses}`,
          clockTime(each.expiresAt),
          each.groups.join(', '),
          each.replace ? 'yes' : 'no',
        ],
      });
    });
  token
    .command('revoke')
    .description('end a token: nobody joins with it any more; who has joined stays')
    .argument('<token>', 'its id, as weir token list shows it')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir token revoke 4f1c09a2b3d4'))
    .action(async (id: string, { json }: { json?: boolean }) => {
      const ended = await session.hub().send<JoinTokenSummary>('DELETE', path`/tokens/${id}`);
      if (json) session.out(`${JSON.stringify(ended, null, 2)}\n`);
      else
        session.out(`Token ${ended.id} is revoked; ${ended.uses - ended.usesLeft} of ${ended.uses} uses were spent.\n`);
    });
  return token;
}
