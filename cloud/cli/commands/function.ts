import type { Command } from 'commander';
import type { Deployment } from '../answers.ts';
import { type RemoveOptions, withRemoveOptions } from '../removing.ts';
import { examples, family, path, type Session, several } from '../session.ts';
import { deadLetterCommands } from './dead-letters.ts';
import {
  type DeployOptions,
  deployBundle,
  follow,
  listDeployments,
  removeDeployment,
  type WaitOptions,
  waitMsOf,
  withDeployOptions,
  withWaitOptions,
} from './deploy.ts';
import { newCommand } from './function-new.ts';
import { runCommand } from './function-run.ts';
import { testCommand } from './function-test.ts';
import { costCommand, usageCommand } from './function-usage.ts';
import { functionLogs } from './logs.ts';
import { signCommand } from './release.ts';
import { releasesCommand } from './releases.ts';

/** Loaded when needed: the other commands answer sooner without it. */
const build = async (file: string) => (await import('@weir/runtime')).buildFunctionBundle(file);

export function functionCommands(session: Session): Command {
  const fn = family('fn', 'functions: code that runs over readings, on devices or in the hub');
  newCommand(session, fn.command('new'));
  testCommand(session, fn.command('test'));
  runCommand(session, fn.command('run'));
  withDeployOptions(fn.command('deploy'))
    .description('bundle a function and deploy it to a group')
    .argument('[file]', 'module whose default export is a function definition')
    .option('--config <key=value>', 'value the function gets as ctx.config; may be given several times', several)
    .addHelpText(
      'after',
      examples(
        'weir fn deploy examples/functions/moving-average.ts --group ovens',
        'weir fn deploy mean.ts --group ovens --config window=30 --config unit=Cel',
        'weir fn deploy mean.ts --group ovens --where cloud',
        'weir fn deploy mean.ts --group ovens --waves 1,10%,100% --soak 5m    a few devices first',
      ),
    )
    .action((file: string | undefined, options: DeployOptions) => deployBundle(session, file, build, options));
  signCommand(session, fn.command('sign'), 'fn', build);
  releasesCommand(session, fn.command('releases'));
  fn.command('list')
    .description('functions that are deployed')
    .option('--group <group>', 'of one group')
    .option('--json', 'print JSON')
    .action((options: { group?: string; json?: boolean }) => listDeployments(session, 'function', options));
  withWaitOptions(fn.command('rollback'))
    .description('run again what ran before under this name')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .action(async (name: string, options: WaitOptions & { group: string }) => {
      const waitMs = await waitMsOf(options);
      const hub = session.hub();
      const made = await hub.send<Deployment>('POST', path`/groups/${options.group}/deployments/${name}/rollback`);
      session.note(`${name} goes back to ${made.version} on group ${options.group}\n`);
      await follow(session, hub, made, waitMs);
    });
  withRemoveOptions(fn.command('remove'))
    .description('take a function off a group')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .addHelpText(
      'after',
      examples('weir fn remove oven-mean --group ovens', 'weir fn remove oven-mean --group ovens --if-exists --json'),
    )
    .action((name: string, options: RemoveOptions & { group: string }) =>
      removeDeployment(session, 'function', name, options),
    );
  fn.addCommand(functionLogs(session));
  fn.addCommand(deadLetterCommands(session));
  usageCommand(session, fn.command('usage'));
  costCommand(session, fn.command('cost'));
  return fn;
}
