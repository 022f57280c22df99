import { type Command, Command as NewCommand } from 'commander';
import type { AuditEntry } from '../answers.ts';
import type { PageOf } from '../client.ts';
import { examples, listing, type Session, wholeNumber } from '../session.ts';
import { clockTime, plain } from '../table.ts';

interface AuditOptions {
  since?: string;
  by?: string;
  target?: string;
  denied?: boolean;
  limit: number;
  json?: boolean;
}

export function auditCommand(session: Session): Command {
  return new NewCommand('audit')
    .description('who changed what, and who was not let; the last come first')
    .option('--since <duration>', 'how far back, e.g. 7d')
    .option('--by <key>', 'name or id of an API key')
    .option('--target <text>', 'a part of the path, or of what was sent, e.g. groups/ovens')
    .option('--denied', 'attempts of those who may not')
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('weir audit --since 7d', 'weir audit --by anna --target groups/ovens', 'weir audit --denied --since 1h'),
    )
    .action(async (options: AuditOptions) => {
      listing(session, options, await entries(session, options), {
        empty: 'Nothing of that kind is in the audit log.',
        heading: ['TIME', 'BY', 'FROM', 'OUTCOME', 'WHAT'],
        // Whether somebody paused or aborted stands at the end of a path.
        widthMax: Number.POSITIVE_INFINITY,
        row: (entry) => [
          clockTime(entry.lastAt ?? entry.at),
          entry.by?.name ?? '-',
          entry.from,
          outcomeOf(entry),
          plain(whatOf(entry)),
        ],
      });
    });
}

/** As many as asked for, page by page: a page may have fewer. */
async function entries(session: Session, { denied, limit, since, by, target }: AuditOptions): Promise<AuditEntry[]> {
  const hub = session.hub();
  const query = { since, by, target, ...(denied && { kind: 'denied' }) };
  const items: AuditEntry[] = [];
  let after: string | undefined;
  do {
    const pageLimit = Math.min(limit - items.length, 100);
    const page = await hub.get<PageOf<AuditEntry>>('/audit', { ...query, limit: pageLimit, after });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  return items;
}

function outcomeOf({ outcome, code, count }: AuditEntry): string {
  const why = code === undefined ? '' : ` ${code}`;
  return `${outcome}${why}${count === undefined ? '' : `, ${count} times`}`;
}

/** The path says more than its route, and the method what is done with it. */
function whatOf({ what, target, body }: AuditEntry): string {
  const method = what.split(' ', 1)[0]!;
  return `${method} ${target.replace(/^\/api\/v1/, '')}${body === undefined ? '' : ` ${body}`}`;
}
