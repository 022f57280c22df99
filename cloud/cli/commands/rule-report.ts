/** `weir rule report`: what a rule has told, or would have told while it was tried. */
import type { Severity } from '@weir/protocols';
import type { TalliedEpisode, Tally } from '@weir/runtime';
import type { Command } from 'commander';
import type { Episode } from '../alert-answers.ts';
import { episodeLines, summaryLines } from '../backtest-report.ts';
import type { PageOf } from '../client.ts';
import { Misuse } from '../failure.ts';
import { momentOf } from '../rule-source.ts';
import { examples, type Session, wholeNumber } from '../session.ts';
import { clockTime } from '../table.ts';
import { deploymentsOf } from './deploy.ts';

interface ReportOptions {
  since: string;
  limit: number;
  json?: boolean;
}

const SINCE_DEFAULT = '7d';
const LIMIT_DEFAULT = 20;
const PAGE = 100;

export function reportCommand(session: Session, command: Command): void {
  command
    .description('what a rule on trial would have told, as devices and hub evaluated it; of others what they told')
    .argument('<name>', 'of a rule')
    .option('--since <time>', 'from when on: 7d, 12h, or a time', SINCE_DEFAULT)
    .option('--limit <n>', 'episodes to show', wholeNumber, LIMIT_DEFAULT)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir rule report oven-hot --since 14d',
        'weir rule apply oven-hot.yaml --group ovens      once it is trusted: without --dry-run',
      ),
    )
    .action((name: string, options: ReportOptions) => report(session, name, options));
}

async function report(session: Session, name: string, { since, limit, json }: ReportOptions): Promise<void> {
  const to = Date.now();
  const from = await momentOf('--since', since, to);
  const [tried, told] = [await episodesOf(session, name, from, true), await episodesOf(session, name, from, false)];
  if (tried.length === 0 && told.length === 0) await verifyDeployed(session, name);
  const { summaryOfTally } = await import('@weir/runtime');
  const parts = [
    { what: 'would have told', dryRun: true, tally: tallyOf(tried, from), all: tried },
    { what: 'has told', dryRun: false, tally: tallyOf(told, from), all: told },
  ].filter(({ all }, at) => all.length > 0 || (at === 0 && told.length === 0));
  if (json) {
    const list = parts.map(({ dryRun, tally, all }) => ({
      dryRun,
      summary: summaryOfTally(tally, from, to),
      episodes: all,
    }));
    session.out(`${JSON.stringify({ rule: name, from, to, parts: list }, null, 2)}\n`);
    return;
  }
  for (const { what, tally } of parts) {
    session.out(`${name} ${what}, since ${clockTime(from)}:\n\n`);
    const lines = [
      ...summaryLines(summaryOfTally(tally, from, to)),
      ...episodeLines([...tally.episodes].reverse(), to, limit),
    ];
    session.out(`${lines.join('\n').trimEnd()}\n`);
  }
}

/** A name that is misspelt looks like a rule that has nothing to tell. @throws {Misuse} */
async function verifyDeployed(session: Session, name: string): Promise<void> {
  if ((await deploymentsOf(session.hub())).some((each) => each.name === name)) return;
  throw new Misuse(`there is no rule "${name}", nor an alert of one since then`, 'see which there are: weir rule list');
}

/** Those that had something to tell since then, newest first. */
async function episodesOf(session: Session, name: string, from: number, dryRun: boolean): Promise<Episode[]> {
  const found: Episode[] = [];
  let after: string | undefined;
  do {
    const query = { rule: name, since: from, limit: PAGE, after, ...(dryRun && { dryRun: 'true' }) };
    const page: PageOf<Episode> = await session.hub().get('/alerts', query);
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found.filter(
    (each) => each.source.name === name && (each.dryRun ?? false) === dryRun && each.firedAt !== undefined,
  );
}

/** Newest come first from the hub; a tally has them by their begin. */
function tallyOf(episodes: readonly Episode[], from: number): Tally {
  const tallied = episodes.map(talliedOf).reverse();
  const begun = episodes.filter(({ firedAt }) => firedAt! >= from).length;
  const ended = episodes.filter(({ resolvedAt }) => resolvedAt !== undefined && resolvedAt >= from).length;
  return {
    episodes: tallied,
    count: tallied.length,
    unfired: 0,
    messages: begun + ended,
    open: episodes.filter(({ resolvedAt }) => resolvedAt === undefined).length,
  };
}

function talliedOf({ severity, severityMax = severity, historical = false, ...episode }: Episode): TalliedEpisode {
  const severities = severityMax === severity ? [severity] : [severityMax, severity];
  return { ...episode, severities, historical, lane: [] } as unknown as TalliedEpisode & { severities: Severity[] };
}
