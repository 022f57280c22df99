import { type Command, InvalidArgumentError } from 'commander';
import { Misuse } from '../failure.ts';

/** Options of a deployment that say how it comes to the devices; none given: to all at once. */
export interface RolloutFlags {
  waves?: string;
  soak?: string;
  rate?: number;
  abortAt?: string;
  minReport?: string;
  window?: string;
  tz?: string;
  at?: string;
  heartbeat?: string;
  takeWithin?: string;
  maxErrors?: number;
  blueGreen?: true | string;
}

export function withRolloutOptions(command: Command): Command {
  return command
    .optionsGroup('Rollout (without any of these: to all devices at once):')
    .option('--waves <list>', 'devices, or shares of the group, in all: 1,10%,50%,100%')
    .option('--soak <duration>', 'how long a wave runs it before the next begins (default: 60s)')
    .option('--rate <devices>', 'devices that get it in a minute', amount)
    .option('--abort-at <amount>', 'failed devices that end it, and all go back: 3, 10%, never (default: 10%)')
    .option('--min-report <share>', 'of a wave that must have said how it goes, e.g. 80% (default: one device)')
    .option('--window <times>', "when devices may get it, in their own time: 'Mon-Fri 02:00-04:00'")
    .option('--tz <zone>', 'time zone of devices that have no tag tz (default: UTC)')
    .option('--at <time>', "when it begins: '2027-01-31 02:00'")
    .option(
      '--heartbeat <duration>',
      'not heard of for so long, a device that runs it has failed; or never (default: 10m)',
    )
    .option('--take-within <duration>', 'connected and not taken for so long, a device has failed (default: 15m)')
    .option('--max-errors <count>', 'failed steps in a minute, over which a device has failed', amount)
    .option('--blue-green [switch]', 'run it beside what stands first; switch: automatic, or asked for')
    .optionsGroup('Options:');
}

function amount(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('a number is wanted.');
  return value;
}

/** @returns as the hub's API takes it; undefined: to all at once */
export function rolloutOf(flags: RolloutFlags): object | undefined {
  const { waves, soak, rate, abortAt, minReport, window, tz, at, heartbeat, takeWithin, maxErrors, blueGreen } = flags;
  const words = {
    ...{ waves, soak, rate, abortAt, minReport, window, heartbeat, takeWithin },
    ...{ zone: tz, at: at === undefined ? undefined : timeOf(at), errorsMax: maxErrors },
    blueGreen: blueGreen === undefined ? undefined : switchOf(blueGreen),
  };
  const given = Object.entries(words).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** What names no zone is in that of the terminal. */
function timeOf(text: string): string {
  const at = new Date(text);
  if (!Number.isNaN(at.getTime())) return at.toISOString();
  throw new Misuse(`--at ${text} is no time`, "give one such as '2027-01-31 02:00', or 2027-01-31T02:00:00Z");
}

function switchOf(given: true | string): string {
  if (given === true || given === 'automatic') return 'automatic';
  if (given === 'asked') return 'asked';
  throw new Misuse(
    `--blue-green ${given} is not known`,
    'say automatic, or asked: then it waits for weir deploy switch',
  );
}
