import { Command } from 'commander';
import { alertCommands } from './commands/alert.ts';
import { apiKeyCommands } from './commands/api-key.ts';
import { auditCommand } from './commands/audit.ts';
import { channelCommands } from './commands/channel.ts';
import { deployCommands } from './commands/deployments.ts';
import { deviceCommands } from './commands/device.ts';
import { devicesCommands } from './commands/devices-program.ts';
import { forwardCommands } from './commands/forward.ts';
import { functionCommands } from './commands/function.ts';
import { groupCommands } from './commands/group.ts';
import { hubCommand } from './commands/hub.ts';
import { keyCommands } from './commands/key.ts';
import { loginCommand, logoutCommand } from './commands/login.ts';
import { ruleCommands } from './commands/rule.ts';
import { secretCommands } from './commands/secret.ts';
import { tokenCommands } from './commands/token.ts';
import { explain } from './failure.ts';
import { createSession, examples } from './session.ts';
import { WIDTH_MAX } from './table.ts';

/** @param args what follows the name of the program. Sets the exit code; never throws. */
export async function main(args: readonly string[]): Promise<void> {
  if (args[0] !== 'hub') endWithItsReader();
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = await explain(error, (text) => process.stderr.write(text));
  }
}

/** `weir alert export | head`: whoever read it has had enough, and nothing has failed. A hub goes on without one. */
function endWithItsReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

export function createProgram(): Command {
  const program = new Command('weir')
    .description('Telemetry, functions and threshold alerts for a fleet of devices.')
    .option('--hub-data <dir>', 'data folder of the hub to talk to (else WEIR_URL, else .weir/hub, else weir login)')
    .addHelpText(
      'after',
      examples(
        'weir hub                                          run a hub',
        'weir group create ovens                           a set of devices',
        'weir token create --group ovens                   lets a device join it',
        'weir rule apply oven-hot.yaml --group ovens       what raises an alert',
        'weir channel add on-call --webhook URL            where alerts go',
        'weir alert watch',
      ),
    );
  const session = createSession(program);
  program.addCommand(hubCommand());
  program.addCommand(loginCommand(session));
  program.addCommand(logoutCommand(session));
  program.addCommand(apiKeyCommands(session));
  program.addCommand(auditCommand(session));
  program.addCommand(keyCommands(session));
  program.addCommand(secretCommands(session));
  program.addCommand(tokenCommands(session));
  program.addCommand(deviceCommands(session));
  program.addCommand(groupCommands(session));
  program.addCommand(functionCommands(session));
  program.addCommand(ruleCommands(session));
  program.addCommand(forwardCommands(session));
  program.addCommand(deployCommands(session));
  program.addCommand(alertCommands(session));
  program.addCommand(channelCommands(session));
  for (const command of devicesCommands()) program.addCommand(command);
  // Commands made apart do not inherit these, and those made by .command() did so too early.
  settle(program);
  return program;
}

function settle(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError('(add --help for what there is)')
    .configureHelp({ helpWidth: WIDTH_MAX, showGlobalOptions: true });
  for (const each of command.commands) settle(each);
}
