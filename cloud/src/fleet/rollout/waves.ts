import { FleetError } from '../error.ts';
import type { Amount } from './rollout.ts';

/** More steps than anybody watches are a rate. */
const WAVES_MAX = 20;
const PATTERN = /^(\d+(?:\.\d+)?)(%?)$/;

/** `1,10%,50%,100%`. @throws {FleetError} `rollout-invalid` */
export function parseWaves(text: string): Amount[] {
  const waves = text.split(',').map((part) => parseAmount('waves', part.trim()));
  if (waves.length > WAVES_MAX) {
    throw invalid(`${waves.length} waves are more than ${WAVES_MAX}`, 'use fewer, and a --rate');
  }
  for (const [at, wave] of waves.entries()) {
    const before = waves.slice(0, at).findLast((each) => 'count' in each === 'count' in wave);
    if (before === undefined || sizeOf(before) < sizeOf(wave)) continue;
    throw invalid(`waves must rise: ${amountText(wave)} comes after ${amountText(before)}`, 'e.g. 1,10%,50%,100%');
  }
  const last = waves.at(-1)!;
  if (!('percent' in last && last.percent === 100)) {
    throw invalid(`the last wave must reach all devices, and is ${amountText(last)}`, `e.g. ${text.trim()},100%`);
  }
  return waves;
}

/** `3`, `10%`. @throws {FleetError} `rollout-invalid` */
export function parseAmount(what: string, text: string): Amount {
  const match = PATTERN.exec(text);
  const number = Number(match?.[1]);
  if (match === null || number <= 0) {
    throw invalid(`${what}: "${text}" is neither a number of devices nor a share of them`, 'e.g. 3, or 10%');
  }
  if (match[2] === '%') {
    if (number <= 100) return { percent: number };
    throw invalid(`${what}: ${text} is more than all devices`, 'at most 100%');
  }
  if (Number.isSafeInteger(number)) return { count: number };
  throw invalid(`${what}: there are no ${text} devices`, 'a whole number, or a share, e.g. 10%');
}

export function invalid(message: string, remedy: string): FleetError {
  return new FleetError('rollout-invalid', message, remedy);
}

function sizeOf(amount: Amount): number {
  return 'count' in amount ? amount.count : amount.percent;
}

export function amountText(amount: Amount): string {
  return 'count' in amount ? String(amount.count) : `${amount.percent}%`;
}

/** A share is rounded up, and is one device at least. */
export function amountOf(amount: Amount, members: number): number {
  // 7 % of 100 is 7.000000000000001.
  return 'count' in amount ? amount.count : Math.max(1, Math.ceil((amount.percent * members) / 100 - 1e-9));
}

/**
 * Devices that may have it once this wave has begun, in all.
 *
 * @returns `Infinity` for the last one: whoever joins the group meanwhile is of it
 */
export function limitOf(waves: readonly Amount[], wave: number, members: number): number {
  if (wave >= waves.length - 1) return Number.POSITIVE_INFINITY;
  return Math.max(...waves.slice(0, wave + 1).map((each) => amountOf(each, members)));
}
