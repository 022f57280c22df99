/** What operators do with alerts: with those that are named, or with all that a filter takes. */
import { randomUUID } from 'node:crypto';
import { parseDuration } from '@weir/protocols';
import { Command, InvalidArgumentError } from 'commander';
import type { Episode } from '../alert-answers.ts';
import { series } from '../alert-words.ts';
import type { Query } from '../client.ts';
import { confirm } from '../confirm.ts';
import { Failure, Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { table } from '../table.ts';
import { type FilterOptions, isEmpty, queryOf, withFilter } from './alert-filter.ts';

interface ActionOptions extends FilterOptions {
  comment?: string;
  yes?: boolean;
  json?: boolean;
}

interface Outcome {
  episode: string;
  outcome: 'done' | 'unchanged' | 'refused';
  why?: string;
}

/** In one request. */
const PER_REQUEST = 200;
/** Shown before it is asked; the rest is counted. */
const SHOWN_MAX = 10;

export function actionCommands(session: Session): Command[] {
  const simple = (what: string, description: string, ...lines: string[]) =>
    action(what, description, lines).action((ids: string[], options: ActionOptions) =>
      run(session, { what }, ids, options),
    );
  return [
    simple(
      'ack',
      'say that somebody looks after alerts; one that latches and is over ends',
      'weir alert ack 3f2a91c0',
      'weir alert ack --rule oven-hot --group ovens --comment "on my way"',
    ),
    simple('unack', 'take that back', 'weir alert unack 3f2a91c0'),
    assignCommand(session),
    commentCommand(session),
    shelveCommand(session),
    simple('unshelve', 'tell of alerts again', 'weir alert unshelve 3f2a91c0'),
    simple(
      'end',
      'end alerts, whatever their condition says; what is still wrong begins another',
      'weir alert end 3f2a91c0 --comment "sensor is broken"',
      'weir alert end --device gw1 --yes',
    ),
  ];
}

function action(what: string, description: string, lines: readonly string[]): Command {
  return withFilter(new Command(what))
    .description(description)
    .argument('[episodes...]', 'ids, or as much of their begins as no others have; else the options say which')
    .option('--comment <text>', 'a word on it')
    .option('--yes', 'do not ask, however many there are')
    .option('--json', 'print JSON: what became of each')
    .addHelpText('after', examples(...lines));
}

function assignCommand(session: Session): Command {
  const lines = [
    'weir alert assign 3f2a91c0 anna',
    'weir alert assign --to anna --rule oven-hot',
    'weir alert assign 3f2a91c0 --nobody',
  ];
  return action('assign', 'say whose alerts are: the last argument, or --to', lines)
    .option('--to <name>', 'to whom')
    .option('--nobody', 'to nobody')
    .action((args: string[], { to, nobody, ...options }: ActionOptions & { to?: string; nobody?: boolean }) => {
      if (nobody) return run(session, { what: 'assign' }, args, options);
      const [ids, assignee] = to === undefined ? lastOf(args, 'to whom', '--to NAME, or --nobody') : [args, to];
      return run(session, { what: 'assign', assignee }, ids, options);
    });
}

function commentCommand(session: Session): Command {
  const lines = [
    'weir alert comment 3f2a91c0 "fan 2 replaced"',
    'weir alert comment --text "power cut" --group ovens --since 2h',
  ];
  return action('comment', 'leave a word for whoever looks next: the last argument, or --text', lines)
    .option('--text <text>', 'what to say')
    .action((args: string[], { text, ...options }: ActionOptions & { text?: string }) => {
      const said = text ?? options.comment;
      const [ids, comment] = said === undefined ? lastOf(args, 'what to say', '--text TEXT') : [args, said];
      return run(session, { what: 'comment' }, ids, { ...options, comment });
    });
}

function shelveCommand(session: Session): Command {
  return action('shelve', 'tell nobody of alerts for a while', ['weir alert shelve 3f2a91c0 --for 2h'])
    .requiredOption('--for <duration>', 'how long, e.g. 30m, 2h', duration)
    .action((ids: string[], { for: forMs, ...options }: ActionOptions & { for: number }) =>
      run(session, { what: 'shelve', forMs }, ids, options),
    );
}

/** The ids, and the last argument. @throws {Misuse} */
function lastOf(args: readonly string[], what: string, remedy: string): [string[], string] {
  const last = args.at(-1);
  if (last === undefined) throw new Misuse(`it is not said ${what}`, remedy);
  return [args.slice(0, -1), last];
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('a duration such as 30m or 2h is wanted.');
  return ms;
}

async function run(
  session: Session,
  request: { what: string; assignee?: string; forMs?: number },
  ids: readonly string[],
  options: ActionOptions,
): Promise<void> {
  const { comment, yes = false, json = false, ...filter } = options;
  const query = queryOf(filter);
  if (ids.length > 0 && !isEmpty(query)) {
    throw new Misuse('both alerts and a filter are given', 'name the alerts, or say by options which they are');
  }
  if (ids.length === 0 && isEmpty(query)) {
    throw new Misuse(
      'it is not said which alerts',
      'give their ids, or options such as --rule NAME; see: weir alert list',
    );
  }
  const episodes = ids.length > 0 ? ids : await chosen(session, request.what, query, yes);
  const outcomes: Outcome[] = [];
  for (let at = 0; at < episodes.length; at += PER_REQUEST) {
    const some = episodes.slice(at, at + PER_REQUEST);
    const body = { ...request, episodes: some, id: randomUUID(), ...(comment !== undefined && { comment }) };
    const { items } = await session.hub().send<{ items: Outcome[] }>('POST', '/alerts/actions', body);
    outcomes.push(...items);
  }
  tell(session, outcomes, json);
}

/** Without a state those that are active: what is over is seldom meant. @throws {Misuse} when there is nobody to ask */
async function chosen(session: Session, what: string, query: Query, yes: boolean): Promise<string[]> {
  const found = await session.hub().all<Episode>('/alerts', { state: 'active', ...defined(query) });
  if (found.length > 1 && !yes) {
    const rows = found.slice(0, SHOWN_MAX).map((each) => [each.state, each.severity, series(each), each.summary]);
    session.note(table(['STATE', 'SEVERITY', 'SERIES', 'SUMMARY'], rows));
    if (found.length > SHOWN_MAX) session.note(`and ${found.length - SHOWN_MAX} more\n`);
    await confirm(session.terminal, `${what} these ${found.length} alerts?`);
  }
  return found.map(({ episode }) => episode);
}

function defined(query: Query): Query {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

function tell(session: Session, outcomes: readonly Outcome[], json: boolean): void {
  if (json) session.out(`${JSON.stringify(outcomes, null, 2)}\n`);
  const refused = outcomes.filter(({ outcome }) => outcome === 'refused');
  const count = (wanted: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  if (outcomes.length === 0) session.note('No active alert is like that.\n');
  else if (!json)
    session.note(
      `${words(count('done'), 'done')}${count('unchanged') > 0 ? `, ${words(count('unchanged'), 'so already')}` : ''}\n`,
    );
  if (refused.length === 0) return;
  const [first] = refused;
  throw new Failure(
    `${refused.length} of ${outcomes.length} could not be: ${first!.episode.slice(0, 12)}: ${first!.why}`,
    `see how it stands: weir alert show ${first!.episode.slice(0, 12)}`,
  );
}

function words(count: number, what: string): string {
  return `${count} ${count === 1 ? 'alert' : 'alerts'} ${what}`;
}
