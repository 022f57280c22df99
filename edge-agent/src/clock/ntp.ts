/** Asks whoever keeps the machine's clock right whether it is. */
import { execFile } from 'node:child_process';

interface Witness {
  command: string;
  args: readonly string[];
  /** Undefined: this is no answer. */
  understand(output: string): boolean | undefined;
}

/**
 * The first tells what the kernel says, whichever program it is that sets the clock, and that ends when anybody else sets
 * it by hand. The second is for machines without systemd.
 */
const WITNESSES: readonly Witness[] = [
  {
    command: 'timedatectl',
    args: ['show', '--property=NTPSynchronized', '--value'],
    understand: (output) => ({ yes: true, no: false })[output.trim()],
  },
  {
    command: 'chronyc',
    args: ['-c', 'tracking'],
    understand: (output) => (output.includes(',') ? output.trim().split(',').at(-1) === 'Normal' : undefined),
  },
];

const TIMEOUT_MS = 3_000;
const OUTPUT_BYTES_MAX = 4_096;

/** @returns undefined when nobody knows */
export async function askNtp(): Promise<boolean | undefined> {
  for (const { command, args, understand } of WITNESSES) {
    const output = await run(command, args);
    const answer = output === undefined ? undefined : understand(output);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function run(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
    execFile(command, args, options, (error, output) => resolve(error === null ? output : undefined));
  });
}
