/** From what people write to what the machine goes by. */
import { parseDuration } from '@weir/protocols';
import type { RolloutOptions } from './rollout.ts';
import { invalid, parseAmount, parseWaves } from './waves.ts';
import { parseWindow, verifyZone } from './window.ts';

/** As they stand in a request or after an option. All absent: to all at once, and nothing ends it. */
export interface RolloutWords {
  /** `1,10%,50%,100%` */
  waves?: string;
  /** A duration. */
  soak?: string;
  /** Devices a minute. */
  rate?: number;
  /** `3`, `10%`, or `never`. */
  abortAt?: string;
  /** `80%` of a wave's devices. */
  minReport?: string;
  /** `Mon-Fri 02:00-04:00` */
  window?: string;
  /** Time zone of devices that have no tag `tz`. */
  zone?: string;
  /** ISO 8601, or ms since epoch. */
  at?: string;
  /** A duration, or `never`. */
  heartbeat?: string;
  /** A duration. */
  takeWithin?: string;
  /** Failed steps of one device in a minute. */
  errorsMax?: number;
  blueGreen?: 'automatic' | 'asked';
}

/** A version that fails at all mostly does so with the first readings; a wave is looked at for a minute. */
const SOAK_MS = 60_000;
/** One in ten: chance devices are on bad lines, too. Of a single one, one is enough. */
const ABORT_AT = '10%';
/** Twenty keepalives of 30 s: longer than a reboot, or a line that is dialled anew. */
const HEARTBEAT_MS = 600_000;
/** A bundle of 2 MB over a line of 10 kB/s takes four minutes. */
const TAKE_WITHIN_MS = 900_000;
const DURATION_MS_MAX = 30 * 86_400_000;
const PER_MINUTE_MAX = 100_000;

/** @returns undefined when nothing was asked for: to all at once. @throws {FleetError} `rollout-invalid` */
export function rolloutOptions(words: RolloutWords): RolloutOptions | undefined {
  if (Object.values(words).every((value) => value === undefined)) return undefined;
  const options: RolloutOptions = {
    waves: parseWaves(words.waves ?? '100%'),
    soakMs: durationOf('soak', words.soak) ?? SOAK_MS,
    minReportPercent: percentOf(words.minReport),
    zone: words.zone ?? 'UTC',
    takeWithinMs: durationOf('take within', words.takeWithin) ?? TAKE_WITHIN_MS,
  };
  verifyZone(options.zone);
  if (words.abortAt !== 'never') options.abortAt = parseAmount('abort at', words.abortAt ?? ABORT_AT);
  if (words.heartbeat !== 'never') options.heartbeatMs = durationOf('heartbeat', words.heartbeat) ?? HEARTBEAT_MS;
  if (words.rate !== undefined) options.perMinute = numberOf('rate', words.rate, PER_MINUTE_MAX);
  if (words.errorsMax !== undefined) options.errorsPerMinuteMax = words.errorsMax;
  if (words.window !== undefined) {
    parseWindow(words.window);
    options.window = words.window;
  }
  if (words.at !== undefined) options.notBefore = timeOf(words.at);
  if (words.blueGreen !== undefined) options.blueGreen = words.blueGreen;
  return options;
}

/** What a deployment without options goes by: only whether it does well is looked at. */
export function atOnceOptions(): RolloutOptions {
  return {
    waves: [{ percent: 100 }],
    soakMs: 0,
    minReportPercent: 0,
    zone: 'UTC',
    takeWithinMs: TAKE_WITHIN_MS,
  };
}

function durationOf(what: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms <= DURATION_MS_MAX) return ms;
  throw invalid(`${what}: "${text}" is no duration of up to 30 days`, 'give one such as 30s, 5m or 1h');
}

function percentOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const amount = parseAmount('min report', text);
  if ('percent' in amount) return amount.percent;
  throw invalid(`min report: "${text}" is no share of a wave`, 'e.g. 80%');
}

function numberOf(what: string, value: number, max: number): number {
  if (value > 0 && value <= max) return value;
  throw invalid(`${what}: ${value} is not between 0 and ${max}`, 'e.g. 60');
}

function timeOf(text: string): number {
  const at = /^\d{12,}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(at)) return at;
  throw invalid(`"${text}" is no time`, "e.g. '2027-01-31T02:00:00Z', or '2027-01-31 02:00' in the hub's time zone");
}
