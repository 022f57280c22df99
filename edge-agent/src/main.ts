/** The command `weir-agent`. */
import { resolve } from 'node:path';
import { UsageError } from '@weir/runtime';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { RunOptions } from './run.ts';
import { formatStatus } from './status/report.ts';
import { askMetrics, askStatus, orderRenewal } from './status/socket.ts';
import { VERSION } from './version.ts';

const MISUSE = 2;
const DATA = '.weir/agent';

const program = new Command('weir-agent')
  .description(
    'Runs on a device: takes readings from sensors, runs functions and rules on them, keeps them until the hub has them.',
  )
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError('(see --help)');

const data = () => new Option('--data <dir>', 'folder for everything the agent keeps').default(DATA);

program
  .command('join')
  .description('enrol this device with a hub')
  .argument('<url>', 'address of the hub, https://host:port')
  .requiredOption('--token <token>', 'join token, from weir token create')
  .option('--name <name>', "name of the device; default: the machine's")
  .option('--force', 'enrol anew although the device is enrolled')
  .addOption(data())
  .action(async (url: string, options: { token: string; name?: string; force?: boolean; data: string }) => {
    // Loaded when needed: what enrols weighs as much as what runs.
    const { join } = await import('./identity/join.ts');
    const { device, hub } = await join({ ...options, url, data: resolve(options.data) });
    process.stdout.write(`enrolled as ${device} at ${hub}\nstart it with: weir-agent run${dataFlag(options.data)}\n`);
  });

program
  .command('run')
  .description('run the agent until it is told to end')
  .addOption(data())
  .option('--config <file>', 'YAML file; without it every default holds')
  .option('--mqtt-port <port>', 'port of the local broker for sensors; 0: any', port)
  .option('--endpoint <host:port>', 'where the uplink connects, instead of what the hub said')
  .addOption(
    new Option('--log-level <level>').choices(['debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  )
  .action(async (options: RunOptions) => {
    const { run } = await import('./run.ts');
    process.exitCode = await run(options);
    // What would keep the process is of no use any more, e.g. a resolver that waits.
    setImmediate(() => process.exit());
  });

program
  .command('status')
  .description('show what the agent on this device is doing')
  .option('--json', 'as JSON')
  .option('--metrics', 'as metrics for Prometheus, e.g. for the text files that its node exporter collects')
  .addOption(data())
  .action(async (options: { json?: boolean; metrics?: boolean; data: string }) => {
    const folder = resolve(options.data);
    const shown = options.metrics ? await askMetrics(folder) : await statusText(folder, options.json ?? false);
    if (shown === undefined) await saySilent(folder);
    else process.stdout.write(shown);
  });

async function saySilent(folder: string): Promise<void> {
  const { notRunning } = await import('./status/not-running.ts');
  process.stderr.write(notRunning(folder));
  process.exitCode = 1;
}

async function statusText(folder: string, json: boolean): Promise<string | undefined> {
  const report = await askStatus(folder);
  return report && `${json ? JSON.stringify(report, null, 2) : formatStatus(report)}\n`;
}

program
  .command('renew')
  .description('get a new key and certificate for this device now, as the agent does by itself every two months')
  .addOption(data())
  .action(async (options: { data: string }) => {
    const folder = resolve(options.data);
    if (await orderRenewal(folder)) process.stdout.write('renewed\n');
    else await saySilent(folder);
  });

program
  .command('buffer')
  .description('show what waits for the hub on this device, and how it drains')
  .option('--json', 'as JSON; with --watch, a line each time')
  .option('--watch', 'again every two seconds, until it is interrupted')
  .addOption(data())
  .action(async (options: { json?: boolean; watch?: boolean; data: string }) => {
    const { showBuffer } = await import('./status/buffer-command.ts');
    process.exitCode = await showBuffer(resolve(options.data), options);
  });

program
  .command('doctor')
  .description('check all that the agent needs of this device, and say what to do about what is amiss')
  .option('--json', 'as JSON')
  .option('--config <file>', 'YAML file; without it every default holds')
  .addOption(data())
  .action(async (options: { json?: boolean; config?: string; data: string }) => {
    const [{ examine }, { formatFindings }, { readConfig }] = await Promise.all([
      import('./doctor/doctor.ts'),
      import('./doctor/finding.ts'),
      import('./run.ts'),
    ]);
    const findings = await examine(resolve(options.data), await readConfig(options));
    process.stdout.write(`${options.json ? JSON.stringify(findings, null, 2) : formatFindings(findings)}\n`);
    if (findings.some(({ level }) => level === 'fail')) process.exitCode = 1;
  });

function port(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= 65_535) return number;
  throw new InvalidArgumentError('a port is a number from 0 to 65535');
}

function dataFlag(folder: string): string {
  return folder === DATA ? '' : ` --data ${folder}`;
}

// `weir-agent status | head`: whoever read it has had enough, and nothing has failed. An agent that runs goes on without one.
if (process.argv[2] !== 'run') {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : MISUSE);
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n${error.remedy ? `  ${error.remedy}\n` : ''}`);
    process.exit(MISUSE);
  }
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
