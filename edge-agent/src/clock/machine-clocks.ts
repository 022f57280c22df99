/** The clocks of this machine. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { askNtp } from './ntp.ts';
import { EARLIEST_MS, isPossible, type Moment } from './timekeeping.ts';

export interface MachineClocks {
  /** Names this start of the machine: monotonic time means something within it only. */
  boot: string;
  /** ms; goes on evenly from one start of the machine to the next, for all programs alike. */
  monotonic(): number;
  /** Both clocks, read at one moment. */
  moment(): Moment;
  /** Whether NTP says that the wall clock is right; undefined: there is none that could be asked. */
  isDisciplined(): Promise<boolean | undefined>;
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Read within it, two clocks show one moment. */
const TOGETHER_MS = 2;
const READS_MAX = 5;

export function machineClocks(): MachineClocks {
  return { boot: bootId(), monotonic, moment, isDisciplined: askNtp };
}

/** Since the machine was started; `performance.now()` would begin anew with the process. */
function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A process may be set aside between two readings. */
function moment(): Moment {
  for (let reads = 1; ; reads++) {
    const before = monotonic();
    const wall = Date.now();
    const after = monotonic();
    if (after - before <= TOGETHER_MS || reads === READS_MAX) return { monotonic: after, wall };
  }
}

/** For a command that ends soon: what it can know of the time by itself. */
export async function timeOfMachine() {
  const now = Date.now();
  return {
    isKnown: isPossible(now) && (await askNtp()) === true,
    isWallWrong: !isPossible(now),
    earliest: EARLIEST_MS,
    now: () => Date.now(),
  };
}

function bootId(): string {
  try {
    return readFileSync(BOOT_ID, 'utf8').trim();
  } catch {
    // Not Linux. Nothing of it can be known again after a restart of the agent.
    return randomUUID();
  }
}
