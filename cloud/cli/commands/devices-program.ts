import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { Failure } from '../failure.ts';
import { examples } from '../session.ts';

/** Simulated devices are a program of their own: cloud and devices meet on the wire only. */
const PROGRAM = fileURLToPath(new URL('../../../devices/bin/weir-devices.js', import.meta.url));

export function devicesCommands(): Command[] {
  const replay = passThrough('replay', 'play a recorded trace (CSV) as a sensor would send it').addHelpText(
    'after',
    examples('weir replay devices/traces/machine_temperature.csv --help'),
  );
  const simulate = passThrough('simulate', 'run simulated sensors with noise, daily cycles, drift and faults');
  return [replay, simulate];
}

/** Everything after the name goes to the other program as it is, `--help` too. */
function passThrough(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('[arguments...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: string[]) => {
      process.exitCode = await run([name, ...args]);
    });
}

async function run(args: readonly string[]): Promise<number> {
  if (!existsSync(PROGRAM)) throw new Failure(`${PROGRAM} is not there`, 'it comes with a clone of the project');
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}
