/** The options by which alerts are narrowed, the same for all commands that take several. */
import { parseDuration } from '@weir/protocols';
import { type Command, InvalidArgumentError } from 'commander';
import type { Query } from '../client.ts';
import { Misuse } from '../failure.ts';
import { several } from '../session.ts';

export interface FilterOptions {
  state?: string;
  severity?: string;
  device?: string;
  rule?: string;
  group?: string;
  label?: string[];
  since?: number;
  until?: number;
  acked?: boolean;
  unacked?: boolean;
  assignee?: string;
  dryRun?: boolean;
  historical?: boolean;
}

export function withFilter(command: Command): Command {
  return command
    .option('--state <states>', 'pending, firing, recovering, no-data, error, resolved, or active: several with commas')
    .option('--severity <severities>', 'info, warning, critical: several with commas')
    .option('--device <device>', 'of one device')
    .option('--rule <name>', 'of one rule or function')
    .option('--group <group>', 'of devices in a group')
    .option('--label <matchers>', `e.g. 'site="lab"' or 'alertname=~"oven.*"'; several times: all of them`, several)
    .option('--since <time>', 'began since then: 2h, 7d, or 2026-11-28T10:00', moment)
    .option('--until <time>', 'began before then', moment)
    .option('--acked', 'those that somebody has acknowledged')
    .option('--unacked', 'those that nobody has acknowledged')
    .option('--assignee <name>', 'whose they are')
    .option('--dry-run', 'those of rules on trial, instead of the others')
    .option('--historical', 'those that were over before anybody could look');
}

/** As the API takes it. @throws {Misuse} */
export function queryOf(options: FilterOptions): Query {
  const { state, severity, device, rule, group, label, since, until, assignee } = options;
  if (options.acked && options.unacked) throw new Misuse('--acked and --unacked leave nothing', 'give one of them');
  const acked = options.acked ? 'true' : options.unacked ? 'false' : undefined;
  return {
    ...{ state, severity, device, rule, group, since, until, assignee, acked },
    label: label?.join(','),
    dryRun: options.dryRun ? 'true' : undefined,
    historical: options.historical ? 'true' : undefined,
  };
}

/** Whether it narrows anything. */
export function isEmpty(query: Query): boolean {
  return Object.values(query).every((value) => value === undefined);
}

/** A duration back from now, or a time; ms. */
function moment(text: string): number {
  const ms = parseDuration(text);
  const at = ms === undefined ? Date.parse(text) : Date.now() - ms;
  if (Number.isNaN(at))
    throw new InvalidArgumentError('a duration such as 2h or 7d, or a time such as 2026-11-28T10:00, is wanted.');
  return Math.max(0, at);
}
