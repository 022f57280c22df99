import { Command } from 'commander';
import type { Episode } from '../alert-answers.ts';
import { notesOf, series } from '../alert-words.ts';
import type { HubClient, PageOf, Query } from '../client.ts';
import { examples, listing, path, type Session, wholeNumber } from '../session.ts';
import { clockTime } from '../table.ts';
import { type FilterOptions, isEmpty, queryOf, withFilter } from './alert-filter.ts';

export function listCommand(session: Session): Command {
  return withFilter(new Command('list'))
    .description('alert episodes; those that began last come first')
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir alert list --state firing',
        'weir alert list --state active --unacked --severity critical',
        `weir alert list --since 7d --group ovens --label 'site="lab"'`,
      ),
    )
    .action(async ({ limit, json, ...filter }: FilterOptions & { limit: number; json?: boolean }) => {
      const query = queryOf(filter);
      const hub = session.hub();
      const items = await firstOf(hub, query, limit);
      if (items.length === 0) await verifyKnown(hub, query);
      const idChars = distinctChars(items.map(({ episode }) => episode));
      const now = Date.now();
      const notes = new Map(items.map((each) => [each, notesOf(each, now).join(', ')]));
      const areNoted = [...notes.values()].some((note) => note !== '');
      listing(session, json === undefined ? {} : { json }, items, {
        empty: emptyWords(filter, query),
        heading: [
          'STATE',
          'SEVERITY',
          'BEGAN',
          areNoted ? 'DEVICE' : 'SERIES',
          'SUMMARY',
          ...(areNoted ? ['NOTES'] : []),
          'EPISODE',
        ],
        // The summary names the sensor too.
        texts: areNoted ? [4, 3, 5] : [3, 4],
        row: (each) => [
          each.state,
          each.severity,
          clockTime(each.startedAt).slice(0, -':00'.length),
          areNoted ? each.device : series(each),
          each.summary,
          ...(areNoted ? [notes.get(each)!] : []),
          each.episode.slice(0, idChars),
        ],
      });
    });
}

/** A page may have fewer than was asked for, and yet have a next. */
async function firstOf(hub: HubClient, query: Query, limit: number): Promise<Episode[]> {
  const items: Episode[] = [];
  let after: string | undefined;
  do {
    const page = await hub.get<PageOf<Episode>>('/alerts', { ...query, limit: limit - items.length, after });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  return items;
}

/** A name that is misspelt looks like one of which there is no alert. @throws {Misuse} */
async function verifyKnown(hub: HubClient, { device, group }: Query): Promise<void> {
  // What gathers has a slash in its name, and is no device.
  if (typeof device === 'string' && !device.includes('/')) await hub.get(path`/devices/${device}`);
  if (typeof group === 'string') await hub.get(path`/groups/${group}`);
}

function emptyWords(filter: FilterOptions, query: Query): string {
  if (isEmpty(query)) return 'There has been no alert.';
  const others = { ...query, state: undefined };
  return filter.state !== undefined && isEmpty(others) ? `No alert is ${filter.state}.` : 'No alert is like that.';
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
