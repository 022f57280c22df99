import type { Command } from 'commander';
import { type RemoveOptions, withRemoveOptions } from '../removing.ts';
import { examples, family, type Session } from '../session.ts';
import { listDeployments, removeDeployment } from './deploy.ts';
import { signCommand } from './release.ts';
import { ruleApplyCommand } from './rule-apply.ts';
import { backtestCommand } from './rule-backtest.ts';
import { ruleExplainCommand } from './rule-explain.ts';
import { ruleNewCommand } from './rule-new.ts';
import { reportCommand } from './rule-report.ts';
import { ruleShowCommand } from './rule-show.ts';
import { ruleTestCommand } from './rule-test.ts';

const build = async (file: string) => (await import('@weir/runtime')).buildRuleBundle(file);

export function ruleCommands(session: Session): Command {
  const rule = family('rule', 'threshold rules: what raises an alert, and what ends it');
  ruleApplyCommand(session, rule.command('apply'));
  ruleNewCommand(session, rule.command('new'));
  ruleTestCommand(session, rule.command('test'));
  backtestCommand(session, rule.command('backtest'));
  reportCommand(session, rule.command('report'));
  rule.addCommand(ruleExplainCommand(session));
  signCommand(session, rule.command('sign'), 'rule', build);
  ruleShowCommand(session, rule.command('show'));
  rule
    .command('list')
    .description('rules that are deployed')
    .option('--group <group>', 'of one group')
    .option('--json', 'print JSON; "dryRun": true is a rule on trial, which tells nobody')
    .addHelpText('after', examples('weir rule list', 'weir rule list --group ovens --json'))
    .action((options: { group?: string; json?: boolean }) => listDeployments(session, 'rule', options));
  withRemoveOptions(rule.command('remove'))
    .description('take a rule off a group; what it had firing is told as ended')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .addHelpText(
      'after',
      examples('weir rule remove oven-hot --group ovens', 'weir rule remove oven-hot --group ovens --if-exists --json'),
    )
    .action((name: string, options: RemoveOptions & { group: string }) =>
      removeDeployment(session, 'rule', name, options),
    );
  return rule;
}
