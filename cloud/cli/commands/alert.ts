import type { AlertState, AlertTransition } from '@weir/protocols';
import type { Command } from 'commander';
import type { Episode, EpisodeDetail } from '../answers.ts';
import type { PageOf } from '../client.ts';
import { Failure } from '../failure.ts';
import { examples, family, listing, oneOf, path, type Session, wholeNumber } from '../session.ts';
import { clockTime, plain, table } from '../table.ts';

export function alertCommands(session: Session): Command {
  const alert = family('alert', 'alerts: what fired, and whether it ended');
  alert
    .command('list')
    .description('alert episodes; those that began last come first')
    .option('--state <state>', 'pending, firing or resolved', oneOf<AlertState>('pending', 'firing', 'resolved'))
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir alert list --state firing'))
    .action(async ({ state, limit, ...options }: { state?: string; limit: number; json?: boolean }) => {
      const { items } = await session.hub().get<PageOf<Episode>>('/alerts', { state, limit });
      const idChars = distinctChars(items.map(({ episode }) => episode));
      listing(session, options, items, {
        empty: state === undefined ? 'There has been no alert.' : `No alert is ${state}.`,
        heading: ['STATE', 'SEVERITY', 'BEGAN', 'SERIES', 'SUMMARY', 'EPISODE'],
        // The summary names the sensor too.
        texts: [3, 4],
        row: (each) => [
          each.state,
          each.severity,
          clockTime(each.startedAt).slice(0, -':00'.length),
          series(each),
          each.summary,
          each.episode.slice(0, idChars),
        ],
      });
    });
  alert
    .command('show')
    .description('one alert with all its transitions')
    .argument('<episode>', 'its id, or as much of its begin as no other has')
    .option('--json', 'print JSON')
    .action(async (id: string, options: { json?: boolean }) => {
      const episode = await session.hub().get<EpisodeDetail>(path`/alerts/${id}`);
      session.out(options.json ? `${JSON.stringify(episode, null, 2)}\n` : describe(episode));
    });
  alert
    .command('watch')
    .description('print alerts as they happen, until Ctrl-C')
    .option('--json', 'print one JSON object a line')
    .action((options: { json?: boolean }) => watch(session, options.json ?? false));
  return alert;
}

const ID_CHARS_MIN = 8;

/** As many characters as tell all of them apart. */
function distinctChars(ids: readonly string[]): number {
  const longest = Math.max(0, ...ids.map((id) => id.length));
  for (let chars = ID_CHARS_MIN; chars < longest; chars++) {
    if (new Set(ids.map((id) => id.slice(0, chars))).size === ids.length) return chars;
  }
  return Math.max(longest, ID_CHARS_MIN);
}

function series({ device, sensor, metric }: Episode | AlertTransition): string {
  return [device, sensor, metric].filter((part) => part !== undefined).join('/');
}

function describe(episode: EpisodeDetail): string {
  const { source, origin, transitions } = episode;
  const lines = [
    `alert        ${episode.episode}`,
    `state        ${episode.state}, ${episode.severity}`,
    `series       ${series(episode)}`,
    `raised by    ${source.kind} ${source.name}@${source.version} (${origin})`,
    `summary      ${plain(episode.summary)}`,
  ];
  const rows = transitions.map(({ seq, state, ts, value, reason, quality }) => [
    String(seq),
    state,
    quality === undefined ? clockTime(ts) : `${clockTime(ts)} (${quality})`,
    value === undefined ? '-' : String(value),
    reason,
  ]);
  return `${lines.join('\n')}\n\n${table(['SEQ', 'STATE', 'TIME', 'VALUE', 'REASON'], rows)}`;
}

async function watch(session: Session, json: boolean): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  session.note('Watching for alerts. Ctrl-C ends it.\n');
  for await (const event of session.hub().events(['transition'], interrupted.signal)) {
    const { transition } = event as { transition: AlertTransition };
    session.out(json ? `${JSON.stringify(event)}\n` : `${line(transition)}\n`);
  }
  if (!interrupted.signal.aborted) throw new Failure('the hub ended the connection', 'is it still running?');
}

function line(transition: AlertTransition): string {
  const { ts, state, severity, summary } = transition;
  return `${clockTime(ts)}  ${state.padEnd(8)}  ${severity.padEnd(8)}  ${series(transition)}  ${plain(summary)}`;
}
