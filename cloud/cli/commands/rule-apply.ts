/** `weir rule apply`: deploys a rule, for good or to see what it would tell. */
import type { Command } from 'commander';
import type { Episode } from '../alert-answers.ts';
import { Misuse } from '../failure.ts';
import { examples, type Session, several } from '../session.ts';
import { type DeployOptions, deployBundle, withDeployOptions } from './deploy.ts';

type ApplyOptions = DeployOptions & { dryRun?: boolean };

export function ruleApplyCommand(session: Session, command: Command): void {
  withDeployOptions(command)
    .description('deploy a threshold rule to a group')
    .argument('[file]', 'YAML or JSON; or TypeScript, with `export default threshold({ … })`')
    .option('--config <key=value>', 'level for all devices without a tag of this name; several times', several)
    .option('--dry-run', 'evaluate it there and tell nobody; what it would tell: weir rule report NAME')
    .addHelpText(
      'after',
      `${examples(
        'weir rule apply oven-hot.yaml --group ovens',
        'weir rule apply oven-hot.yaml --group ovens --dry-run      evaluated and kept, told to nobody',
        'weir rule apply oven-hot.yaml --group ovens --config max-temp=85',
        'weir rule apply condensation.ts --group rooms',
      )}
A rule:
  name: oven-hot
  metric: temperature
  above: 80        # begins over 80
  clear: 75        # ends under 75
  for: 30s         # only when it stays so long
  severity: critical
One to begin from: weir rule new NAME. All there is: docs/guides/alert-on-a-threshold.md.
A rule "by: group" runs in the hub, over all devices of the group together.
`,
    )
    .action((file: string | undefined, options: ApplyOptions) => {
      const isWhereGiven = command.getOptionValueSource('where') !== 'default';
      return apply(session, file, options, isWhereGiven);
    });
}

async function apply(
  session: Session,
  file: string | undefined,
  options: ApplyOptions,
  isWhereGiven: boolean,
): Promise<void> {
  if (options.dryRun && file === undefined) {
    throw new Misuse('what is signed already cannot be made a dry run', 'sign it as one: dryRun: true in its file');
  }
  const { bundleIdentity, ruleIn } = await import('@weir/protocols');
  const { buildRuleBundle, dryRunOf } = await import('@weir/runtime');
  let applied: { name: string; isDryRun: boolean } | undefined;
  const build = async (path: string) => {
    const built = await buildRuleBundle(path);
    const made = options.dryRun ? dryRunOf(built) : built;
    const rule = ruleIn(made.bundle);
    const isDryRun = rule?.dryRun === true;
    // None of its devices could run it: it has no readings of the others.
    if (rule?.by === 'group' && !isWhereGiven) options.where = 'cloud';
    applied = { name: bundleIdentity(made.bundle, made.hash).name, isDryRun };
    return made;
  };
  await deployBundle(session, file, build, options);
  if (applied === undefined) return;
  const { name, isDryRun } = applied;
  if (isDryRun) session.note(`It is evaluated and tells nobody. What it would tell: weir rule report ${name}\n`);
  else await tellLeftOver(session, name);
}

/** An episode is told for good or not at all, by what it was when it began: what is open of a dry run stays silent. */
async function tellLeftOver(session: Session, name: string): Promise<void> {
  const open = await openDryRuns(session, name);
  if (open.length === 0) return;
  const what =
    open.length === 1
      ? '1 alert of its dry run is open, and goes on'
      : `${open.length} alerts of its dry run are open, and go on`;
  session.note(`${what} without telling anybody, to its end: weir rule report ${name}\n`);
}

async function openDryRuns(session: Session, name: string): Promise<Episode[]> {
  const episodes = await session
    .hub()
    .all<Episode>('/alerts', { rule: name, dryRun: 'true', limit: 100, state: 'firing' });
  return episodes.filter(({ source, dryRun }) => source.name === name && dryRun === true);
}
