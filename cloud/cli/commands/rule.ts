import type { Command } from 'commander';
import { examples, family, type Session } from '../session.ts';
import { type DeployOptions, deployBundle, listDeployments, removeDeployment, withDeployOptions } from './deploy.ts';
import { signCommand } from './release.ts';
import { ruleTestCommand } from './rule-test.ts';

const build = async (file: string) => (await import('@weir/runtime')).buildRuleBundle(file);

export function ruleCommands(session: Session): Command {
  const rule = family('rule', 'threshold rules: what raises an alert, and what ends it');
  withDeployOptions(rule.command('apply'))
    .description('deploy a threshold rule to a group')
    .argument('[file]', 'YAML or JSON')
    .addHelpText(
      'after',
      `${examples('weir rule apply oven-hot.yaml --group ovens')}
A rule:
  name: oven-hot
  metric: temperature
  above: 80        # begins over 80
  clear: 75        # ends under 75
  for: 30s         # only when it stays so long
  severity: critical
`,
    )
    .action((file: string | undefined, options: DeployOptions) => deployBundle(session, file, build, options));
  ruleTestCommand(session, rule.command('test'));
  signCommand(session, rule.command('sign'), 'rule', build);
  rule
    .command('list')
    .description('rules that are deployed')
    .option('--group <group>', 'of one group')
    .option('--json', 'print JSON')
    .action((options: { group?: string; json?: boolean }) => listDeployments(session, 'rule', options));
  rule
    .command('remove')
    .description('take a rule off a group; what it had firing is told as ended')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .action((name: string, { group }: { group: string }) => removeDeployment(session, name, group));
  return rule;
}
