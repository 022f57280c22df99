import type { Command } from 'commander';
import { examples, listing, path, type Session } from '../session.ts';
import { clockTime } from '../table.ts';

interface Releases {
  highest: number | null;
  floor: number | null;
  oldestWanted: number | null;
  items: { release: number; floor: number; version: string; hash: string; createdAt: number }[];
}

/** `weir fn releases`, of rules and policies, too: they have their names in common. */
export function releasesCommand(session: Session, command: Command): void {
  command
    .description('signed releases of a function, rule or policy, newest first, and which may still run')
    .argument('<name>')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir fn releases oven-hot'))
    .action(async (name: string, options: { json?: boolean }) => {
      const { floor, oldestWanted, items } = await session.hub().get<Releases>(path`/functions/${name}/releases`);
      const rows = items.map((each) => ({
        ...each,
        mayRun: each.release >= (floor ?? 0),
        isOldestWanted: each.release === oldestWanted,
      }));
      listing(session, options, rows, {
        empty: `No release of ${name} is signed. Sign one: weir fn deploy FILE --group GROUP`,
        heading: ['RELEASE', 'VERSION', 'HASH', 'SIGNED', 'MAY RUN', ''],
        row: (each) => [
          String(each.release),
          each.version,
          each.hash.slice(0, 12),
          clockTime(each.createdAt),
          each.mayRun ? 'yes' : 'no, below the floor',
          each.isOldestWanted ? 'the oldest that a group may go back to' : '',
        ],
      });
    });
}
