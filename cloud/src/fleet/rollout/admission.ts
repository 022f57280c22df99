import { isZone } from '@weir/protocols';
import type { DeviceView, Rollout } from './rollout.ts';
import type { Stood } from './standing.ts';
import { limitOf } from './waves.ts';
import { opensAt, parseWindow } from './window.ts';

/** One write of the store takes 100 changes; with the rollout itself and some room. */
export const ADMITTED_AT_ONCE_MAX = 90;
const MINUTE_MS = 60_000;
/** What was not used of a rate is kept for so long: then no wave comes as a crowd after a pause. */
const RATE_KEPT_MS = 10_000;

export interface Admission {
  /** To be let in now. */
  devices: string[];
  /** With a rate: up to when it is used up then. */
  rateAt?: number;
  /** Of this wave, and to be let in when rate and window allow it. */
  left: number;
  /** When they do, ms since epoch. */
  opensAt?: number;
  /** Why they are not let in now. */
  why?: string;
}

/**
 * Whom the wave lets in now. Before the last wave only devices that are connected: what runs nowhere proves nothing; and
 * none on which another group's deployment wins. The last wave takes all.
 */
export function admissionOf(rollout: Rollout, all: readonly Stood[], now: number): Admission {
  const { wave, options, members, admitted } = rollout;
  const isLast = wave === options.waves.length - 1;
  const room = limitOf(options.waves, wave, members) - admitted;
  if (room <= 0) return { devices: [], left: 0 };
  const candidates: DeviceView[] = [];
  for (const { view } of all) {
    if (view.admission !== undefined) continue;
    if (isLast || (view.connected && !view.overridden && !view.isLate)) candidates.push(view);
  }
  if (candidates.length === 0) return { devices: [], left: 0 };
  const { open, opensAt } = openOf(candidates, rollout, now);
  const left = Math.min(room, candidates.length);
  if (open.length === 0) return { devices: [], left, opensAt: opensAt!, why: 'the window is closed' };
  const { count, rateAt, nextAt } = rateOf(rollout, now);
  if (count === 0) return { devices: [], left, opensAt: nextAt!, why: `the rate is ${options.perMinute} a minute` };
  const chosen = inOrder(open, rollout.order).slice(0, Math.min(room, count, ADMITTED_AT_ONCE_MAX));
  const devices = chosen.map(({ device }) => device);
  return rateAt === undefined ? { devices, left } : { devices, left, rateAt: rateAt(devices.length) };
}

/** Those in whose time zone the window is open; or when it opens first. */
function openOf(candidates: readonly DeviceView[], { options }: Rollout, now: number) {
  if (options.window === undefined) return { open: candidates };
  const window = parseWindow(options.window);
  const opening = new Map<string, number>();
  const open: DeviceView[] = [];
  for (const view of candidates) {
    const zone = view.zone !== undefined && isZone(view.zone) ? view.zone : options.zone;
    if (!opening.has(zone)) opening.set(zone, opensAt(window, now, zone));
    if (opening.get(zone)! <= now) open.push(view);
  }
  return { open, opensAt: Math.min(...opening.values()) };
}

function rateOf({ options, rateAt, createdAt }: Rollout, now: number) {
  const { perMinute } = options;
  if (perMinute === undefined) return { count: Number.POSITIVE_INFINITY };
  const each = MINUTE_MS / perMinute;
  const kept = Math.max(each, RATE_KEPT_MS);
  const from = Math.max(rateAt ?? createdAt - each, now - kept);
  const count = Math.floor((now - from) / each + 1e-9);
  return { count, rateAt: (used: number) => from + used * each, nextAt: Math.ceil(from + each) };
}

/** Connected ones first; otherwise as if drawn by lot, and the same whoever draws. */
function inOrder(views: readonly DeviceView[], seed: number): DeviceView[] {
  const drawn = views.map((view) => ({ view, lot: lotOf(view.device, seed) }));
  drawn.sort((a, b) => Number(b.view.connected) - Number(a.view.connected) || a.lot - b.lot);
  return drawn.map(({ view }) => view);
}

/** FNV-1a. Names that differ in their last digit must not follow one another. */
function lotOf(device: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < device.length; at++) hash = Math.imul(hash ^ device.charCodeAt(at), 0x01000193) >>> 0;
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
}
