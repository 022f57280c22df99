/** What ails a device, all of it in one place; each with what to do about it in docs/operations/fleet.md. */
import { isDiskLow, isMemoryLow, type ReportedDeployment } from '@weir/protocols';
import type { DeviceRecord } from '../fleet/fleet.ts';
import type { Flapping } from '../front/takeovers.ts';
import type { Reported } from './reported.ts';
import type { DeviceState } from './state.ts';

export const PROBLEM_CODES = [
  'silent',
  'flapping',
  'stuck',
  'disk-failing',
  'disk-low',
  'memory-low',
  'clock-wrong',
  'certificate-ending',
  'buffer-filling',
  'deployment-failed',
  'version-behind',
  'groups-over',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

export interface Problem {
  code: ProblemCode;
  /** One line. */
  text: string;
}

export interface Ailing {
  record: Pick<DeviceRecord, 'over' | 'lastSeenAt'>;
  state: DeviceState;
  reported: Reported;
  /** By name, of what runs in the cloud for it. */
  cloud: ReadonlyMap<string, ReportedDeployment>;
  flapping?: Flapping | undefined;
  /** The newest agent of the fleet, or that of the hub. */
  newestVersion: string;
}

/** Whole seconds by which a clock may be off before a person should look. */
const CLOCK_SECONDS = 10;
const DAY_MS = 86_400_000;
/** It is renewed when a third of its life is left; a week before its end something keeps it from that. */
const CERTIFICATE_MS = 7 * DAY_MS;
/** What has waited for so long does not get out. */
const BUFFER_MS = 3_600_000;

/** @param now ms since epoch */
export function problemsOf(ailing: Ailing, now: number): Problem[] {
  const { record, state, flapping } = ailing;
  const problems: Problem[] = [];
  const tell = (code: ProblemCode, text: string) => void problems.push({ code, text });
  if (state === 'silent') tell('silent', `nothing comes from it, and it said no goodbye${lastSeen(record, now)}`);
  if (flapping !== undefined) {
    const where = flapping.addresses.join(', ');
    tell('flapping', `it is there twice, or loses its line: ${flapping.takeovers} takeovers, from ${where}`);
  }
  problems.push(...ofHealth(ailing, now), ...ofDeployments(ailing));
  const { version } = ailing.reported.agent ?? {};
  if (version !== undefined && isOlder(version, ailing.newestVersion)) {
    tell('version-behind', `its agent is ${version}; ${ailing.newestVersion} is there`);
  }
  if (record.over !== undefined) {
    tell('groups-over', `it is in as many groups as it can be, and left out of: ${record.over.join(', ')}`);
  }
  return problems;
}

function ofHealth({ state, reported: { health } }: Ailing, now: number): Problem[] {
  const problems: Problem[] = [];
  const tell = (code: ProblemCode, text: string) => void problems.push({ code, text });
  const { stuck, storage, disk, memory, clock, certificate, buffer } = health;
  if (stuck !== undefined) {
    const what = stuck.what === 'database' ? 'its database does not answer' : 'its functions pass nothing';
    tell('stuck', `${what}, for ${lasting(now - stuck.since)}`);
  }
  if (storage !== undefined && storage.state !== 'ok') {
    tell('disk-failing', `its disk is ${storage.state}, for ${lasting(now - storage.since)}`);
  } else if (disk !== undefined && isDiskLow(disk)) {
    tell('disk-low', `${size(disk.free)} of ${size(disk.total)} are free on its disk`);
  }
  if (memory !== undefined && isMemoryLow(memory)) {
    tell('memory-low', `${size(memory.free)} of ${size(memory.total)} of its memory are free`);
  }
  if (clock?.certainty === 'unsynchronised') tell('clock-wrong', 'it does not know what time it is');
  else if (clock !== undefined && Math.abs(clock.hubAhead) >= CLOCK_SECONDS) {
    const { hubAhead } = clock;
    tell('clock-wrong', `its clock is ${Math.abs(hubAhead)} s ${hubAhead > 0 ? 'ahead of' : 'behind'} that of the hub`);
  }
  if (certificate !== undefined && certificate.validTo - now < CERTIFICATE_MS) {
    const left = certificate.validTo - now;
    const when = left > 0 ? `ends in ${lasting(left)}` : `ended ${lasting(-left)} ago`;
    tell('certificate-ending', `its certificate ${when}, and was not renewed`);
  }
  const oldestAt = buffer?.oldestAt;
  if (
    state === 'connected' &&
    oldestAt !== undefined &&
    now - oldestAt >= BUFFER_MS &&
    buffer?.drainSeconds === undefined
  ) {
    tell('buffer-filling', `${size(buffer!.bytes)} wait for the hub, the oldest for ${lasting(now - oldestAt)}`);
  }
  return problems;
}

function ofDeployments({ reported, cloud }: Ailing): Problem[] {
  const broken = [...reported.deployments, ...cloud].filter(
    ([, { state }]) => state === 'failed' || state === 'quarantined',
  );
  return broken.map(([name, { version, state, reason }]) => ({
    code: 'deployment-failed',
    text: `${name}@${version} is ${state}${reason === undefined ? '' : `: ${reason}`}`,
  }));
}

function lastSeen({ lastSeenAt }: Ailing['record'], now: number): string {
  return lastSeenAt === undefined ? '' : `; last seen ${lasting(now - lastSeenAt)} ago`;
}

/** By numbers, `1.10.0` after `1.9.2`; what is no such version is older than nothing. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [numbersOf(version), numbersOf(than)];
  if (a === undefined || b === undefined) return false;
  const at = a.findIndex((number, index) => number !== b[index]);
  return at >= 0 && a[at]! < b[at]!;
}

function numbersOf(version: string): number[] | undefined {
  return /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
}

export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round((bytes / 1024 ** at) * 10) / 10} ${units[at]}`;
}
