import { Command } from 'commander';
import { examples, oneOf, type Session } from '../session.ts';
import { type FilterOptions, queryOf, withFilter } from './alert-filter.ts';

export function exportCommand(session: Session): Command {
  return withFilter(new Command('export'))
    .description('write alerts to standard output, those that began last first, as they are read')
    .option(
      '--format <format>',
      'csv: a table; ndjson: each with all that became of it',
      oneOf('csv', 'ndjson'),
      'ndjson',
    )
    .addHelpText(
      'after',
      examples(
        'weir alert export --since 30d --format csv > alerts.csv',
        `weir alert export --since 7d --rule oven-hot | jq 'select(.toAckMs > 600000)'`,
      ),
    )
    .action(async ({ format, ...filter }: FilterOptions & { format: string }) => {
      const query = { ...queryOf(filter), format };
      for await (const text of session.hub().text('/alerts/export', query)) session.out(text);
    });
}
