import { parseDuration } from '@weir/protocols';
import { Command, InvalidArgumentError } from 'commander';
import type { EpisodeDetail } from '../alert-answers.ts';
import { Misuse } from '../failure.ts';
import { examples, listing, path, type Session } from '../session.ts';
import { clockTime } from '../table.ts';

interface Silence {
  id: string;
  matchers: string;
  state: string;
  startsAt: number;
  endsAt: number;
  by: string;
  comment?: string;
  endedBy?: string;
}

interface AddOptions {
  for?: number;
  from?: number;
  comment?: string;
  json?: boolean;
}

const ID_CHARS = 8;

export function silenceCommand(session: Session): Command {
  const silence = timed(new Command('silence'))
    .description('tell nobody of alerts that match, for a while; what was told to fire is still told to end')
    .argument('[episode]', 'short form: an alert, whose rule, device and sensor are silenced')
    .addHelpText(
      'after',
      examples(
        "weir alert silence add 'device=gw1, alertname=~\"oven.*\"' --for 2h --comment 'fan is replaced'",
        'weir alert silence 3f2a91c0 --for 1h',
        'weir alert silence list',
        'weir alert silence end 4be1',
      ),
    )
    .action((episode: string | undefined, options: AddOptions) => ofEpisode(session, episode, options));
  silence.addCommand(
    timed(new Command('add'))
      .description('silence what has such labels')
      .argument('<matchers>', 'label=value, !=, =~ and !~, with commas in between: all of them must match')
      .addHelpText('after', `${examples("weir alert silence add 'group=ovens, severity!=critical' --for 2h")}${LABELS}`)
      .action((matchers: string, options: AddOptions, command: Command) =>
        add(session, matchers, { ...options, ...command.optsWithGlobals<AddOptions>() }),
      ),
  );
  silence.addCommand(
    new Command('list')
      .description('silences, also those that were over within a week')
      .option('--json', 'print JSON')
      .action((_options: object, command: Command) => list(session, command.optsWithGlobals<{ json?: boolean }>())),
  );
  silence.addCommand(
    new Command('end')
      .description('end a silence now: what it has held back and still fires is told')
      .argument('<id>', 'or as much of its begin as no other has')
      .option('--json', 'print JSON')
      .addHelpText('after', examples('weir alert silence end 4be1'))
      .action(async (id: string, _options: object, command: Command) => {
        const ended = await session.hub().send<Silence>('DELETE', path`/alert-silences/${id}`);
        if (command.optsWithGlobals<{ json?: boolean }>().json) session.out(`${JSON.stringify(ended, null, 2)}\n`);
        else session.note(`Ended the silence of ${ended.matchers}\n`);
      }),
  );
  return silence;
}

const LABELS = `
Labels: alertname (the rule), device, sensor, metric, severity, origin (edge or cloud), group, tag_NAME for each tag of
the device, and what labels the rule has. See what an alert has: weir alert policy test --labels …
`;

function timed(command: Command): Command {
  return command
    .option('--for <duration>', 'how long, e.g. 30m, 2h, 7d', duration)
    .option('--from <time>', 'when it begins, e.g. 2026-12-24T18:00; default: now', moment)
    .option('--comment <text>', 'why')
    .option('--json', 'print JSON');
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('a duration such as 30m or 2h is wanted.');
  return ms;
}

function moment(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('a time such as 2026-12-24T18:00 is wanted.');
  return at;
}

async function ofEpisode(session: Session, id: string | undefined, options: AddOptions): Promise<void> {
  if (id === undefined) {
    throw new Misuse(
      'it is not said what to silence',
      "weir alert silence add 'device=gw1' --for 2h, or give an alert",
    );
  }
  if (options.for === undefined) throw new Misuse('it is not said for how long', `weir alert silence ${id} --for 1h`);
  const { source, device, sensor, metric } = await session.hub().get<EpisodeDetail>(path`/alerts/${id}`);
  const labels = { alertname: source.name, device, sensor, metric };
  const named = Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== undefined);
  await add(session, named.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', '), options);
}

async function add(session: Session, matchers: string, options: AddOptions): Promise<void> {
  const { for: forMs, from, comment, json } = options;
  if (forMs === undefined) {
    throw new Misuse('it is not said for how long', `weir alert silence add '${matchers}' --for 2h`);
  }
  const body = {
    matchers,
    endsAt: (from ?? Date.now()) + forMs,
    ...(from !== undefined && { startsAt: from }),
    ...(comment !== undefined && { comment }),
  };
  const made = await session.hub().send<Silence>('POST', '/alert-silences', body);
  if (json) session.out(`${JSON.stringify(made, null, 2)}\n`);
  else {
    session.note(`Silenced ${made.matchers} until ${clockTime(made.endsAt)}\n`);
    session.note(`End it before: weir alert silence end ${made.id.slice(0, ID_CHARS)}\n`);
  }
}

async function list(session: Session, options: { json?: boolean }): Promise<void> {
  const items = await session.hub().all<Silence>('/alert-silences');
  listing(session, options, items, {
    empty: "Nothing is silenced. Silence what is being worked on: weir alert silence add 'device=gw1' --for 2h",
    heading: ['SILENCE', 'STATE', 'FROM', 'UNTIL', 'BY', 'MATCHERS', 'COMMENT'],
    texts: [6, 5],
    row: ({ id, state, startsAt, endsAt, by, matchers, comment = '-' }) => [
      id.slice(0, ID_CHARS),
      state,
      clockTime(startsAt),
      clockTime(endsAt),
      by,
      matchers,
      comment,
    ],
  });
}
