/** What a channel gave up: looked at, and sent again. */
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { examples, listing, path, type Session } from '../session.ts';
import { clockTime } from '../table.ts';

interface Letter {
  id: string;
  diedAt: number;
  createdAt: number;
  attempts: number;
  reason: string;
  detail: string;
  status: string;
  summary: string;
}

export function letterCommands(channel: Command, session: Session): void {
  channel
    .command('dead-letters')
    .description('messages that a channel gave up, oldest first')
    .argument('<name>')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir channel dead-letters on-call'))
    .action(async (name: string, options: { json?: boolean }) => {
      const items = await session.hub().all<Letter>(path`/channels/${name}/dead-letters`);
      listing(session, options, items, {
        empty: `The channel ${name} has given up nothing.`,
        heading: ['MESSAGE', 'STATUS', 'MADE', 'GIVEN UP', 'TRIED', 'WHY', 'SUMMARY'],
        texts: [5, 6],
        row: ({ id, status, createdAt, diedAt, attempts, detail, summary }) => [
          id,
          status,
          clockTime(createdAt),
          clockTime(diedAt),
          String(attempts),
          detail,
          summary,
        ],
      });
    });
  channel
    .command('replay')
    .description('send what a channel gave up again, under the same idempotency keys')
    .argument('<name>')
    .argument('[message...]', 'only these')
    .option('--all', 'all of them')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir channel replay on-call --all', 'weir channel replay on-call 3f9c2a1b7d5e-2'))
    .action((name: string, ids: string[], options: { all?: boolean; json?: boolean }) =>
      replay(session, name, ids, options),
    );
}

async function replay(
  session: Session,
  name: string,
  ids: string[],
  { all, json }: { all?: boolean; json?: boolean },
): Promise<void> {
  if ((ids.length === 0) === (all !== true)) {
    throw new Misuse('which of them?', `name messages, or all: weir channel replay ${name} --all`);
  }
  const body = all === true ? {} : { ids };
  const answer = await session
    .hub()
    .send<{ replayed: number; over: number }>('POST', path`/channels/${name}/replay`, body);
  if (json) {
    session.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  const { replayed, over } = answer;
  session.note(`Sending ${replayed} again.\n`);
  if (over > 0) session.note(`${over} were left out: what they said began is over, and the channel was told so.\n`);
}
