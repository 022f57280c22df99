import type { Command } from 'commander';
import type { DeadLetter, DeadLetterDetail } from '../answers.ts';
import type { HubClient, PageOf } from '../client.ts';
import { Misuse } from '../failure.ts';
import { examples, family, listing, path, type Session, several, wholeNumber } from '../session.ts';
import { clockTime, plain, table } from '../table.ts';
import { askFor, errorOf } from './dead-letters-ask.ts';
import { untilDeployed } from './dead-letters-ready.ts';
import { deploymentsOf, type WaitOptions, waitMsOf, withWaitOptions } from './deploy.ts';

interface Selection {
  device?: string;
  id?: string[];
  all?: boolean;
}

type AskOptions = Selection & WaitOptions & { json?: boolean };

const READINGS_SHOWN = 20;

export function deadLetterCommands(session: Session): Command {
  const letters = family('dead-letters', 'input that functions could not take: look at it, run it again, remove it');
  letters
    .command('list')
    .description('dead letters, newest first')
    .argument('[name]', 'of one function')
    .option('--device <device>', 'of one device')
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir fn dead-letters list', 'weir fn dead-letters list oven-mean --device gw1'))
    .action(
      async (
        name: string | undefined,
        { device, limit, ...options }: Selection & { limit: number; json?: boolean },
      ) => {
        const query = { function: name, device, limit };
        const hub = session.hub();
        const { items, next } = await hub.get<PageOf<DeadLetter>>('/dead-letters', query);
        if (items.length === 0) await verifyKnown(hub, name, device);
        listing(session, options, items, {
          empty: 'There are no dead letters: functions took all their input.',
          heading: ['ID', 'FUNCTION', 'DEVICE', 'WHEN', 'INPUT', 'ERROR'],
          texts: [5, 1],
          row: (each) => [
            each.id,
            `${each.function}@${each.version}`,
            each.device,
            clockTime(each.at).slice(0, -':00'.length),
            inputOf(each),
            `${each.asked === undefined ? '' : `(${each.asked.what} asked) `}${errorOf(each)}`,
          ],
        });
        if (next !== undefined) session.note(`There are more: --limit ${limit * 2}\n`);
      },
    );
  letters
    .command('show')
    .description('one dead letter: the error, where it happened, and the input')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, options: { json?: boolean }) => {
      const letter = await session.hub().get<DeadLetterDetail>(path`/dead-letters/${id}`);
      session.out(options.json ? `${JSON.stringify(letter, null, 2)}\n` : describe(letter));
    });
  asking(session, letters.command('replay'), 'replay')
    .description('run dead letters again, e.g. after a version that can take them was deployed')
    .addHelpText(
      'after',
      examples('weir fn dead-letters replay oven-mean --all', 'weir fn dead-letters replay --id 0mgj3k2x1-9f3a11cc'),
    );
  asking(session, letters.command('remove'), 'remove')
    .description('remove dead letters, without running them')
    .addHelpText('after', examples('weir fn dead-letters remove oven-mean --device gw1 --all'));
  return letters;
}

function asking(session: Session, command: Command, what: 'replay' | 'remove'): Command {
  return withWaitOptions(command)
    .argument('[name]', 'those of one function')
    .option('--device <device>', 'those of one device')
    .option('--id <id>', 'this one; may be given several times', several)
    .option('--all', 'all there are, of the function and the device if they are given')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: AskOptions) => {
      const waitMs = await waitMsOf(options);
      const hub = session.hub();
      const wanted = await select(hub, name, options);
      if (what === 'replay') await untilDeployed(session, hub, wanted, waitMs);
      await askFor(session, hub, what, wanted, { waitMs, json: options.json ?? false });
    });
}

/** Never all by mistake. */
async function select(hub: HubClient, name: string | undefined, { device, id, all }: Selection): Promise<DeadLetter[]> {
  if (id !== undefined && (all === true || name !== undefined || device !== undefined)) {
    throw new Misuse('--id names its letter; a function, a device or --all do not go with it', 'leave them out');
  }
  if (id !== undefined) return Promise.all(id.map((each) => hub.get<DeadLetter>(path`/dead-letters/${each}`)));
  if (all !== true) throw new Misuse('which dead letters?', 'name them with --id ID, or take all there are with --all');
  const found = await hub.all<DeadLetter>('/dead-letters', { function: name, device });
  if (found.length === 0) await verifyKnown(hub, name, device);
  return found;
}

/** Without letters, a name that is misspelt looks like a function that took all its input. */
async function verifyKnown(hub: HubClient, name: string | undefined, device: string | undefined): Promise<void> {
  if (device !== undefined) await hub.get(path`/devices/${device}`);
  if (name === undefined || (await deploymentsOf(hub)).some((each) => each.name === name)) return;
  throw new Misuse(`there is no function "${name}", nor a dead letter of one`, 'see which there are: weir fn list');
}

function inputOf({ readings, handler }: DeadLetter): string {
  if (readings === undefined) return handler ?? '-';
  return readings === 1 ? '1 reading' : `${readings} readings`;
}

function describe(letter: DeadLetterDetail): string {
  const { id, device, where, version, hash, at, replays, asked, answer, stack } = letter;
  const lines = [
    `letter       ${id}`,
    `function     ${letter.function}@${version} (${hash.slice(0, 12)}), ${where === 'edge' ? `on ${device}` : `in the hub for ${device}`}`,
    `input        ${inputOf(letter)}, ${clockTime(at)}`,
    `replays      ${replays === 0 ? 'none' : `${replays}, it failed again each time`}`,
    ...(asked === undefined ? [] : [`asked        ${asked.what}, ${clockTime(asked.at)}; not done yet`]),
    ...(answer === undefined ? [] : [`not run      ${plain(answer.detail)}`]),
    '',
    plain(errorOf(letter)),
    ...stack.split('\n').slice(1).map(plain),
  ];
  return `${lines.join('\n').trimEnd()}\n\n${contentOf(letter)}\n`;
}

function contentOf({ device, handler, readings = 0, input, value }: DeadLetterDetail): string {
  if (handler !== undefined) return value === undefined ? `What it was is on ${device} only.` : plain(value);
  const known = input ?? [];
  const rows = known
    .slice(0, READINGS_SHOWN)
    .map(({ sensor, metric, value: measured, unit, ts }) => [
      `${sensor}/${metric}`,
      `${measured} ${unit ?? ''}`.trim(),
      clockTime(ts),
    ]);
  const more = known.length - rows.length;
  return [
    table(['SERIES', 'VALUE', 'MEASURED'], rows).trimEnd(),
    ...(more > 0 ? [`… and ${more} more: --json`] : []),
    ...(readings > known.length
      ? [`${readings - known.length} more are on ${device} only; a replay takes them, too.`]
      : []),
  ].join('\n');
}
