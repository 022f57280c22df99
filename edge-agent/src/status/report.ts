import type { FoldStatus, LogLine } from '@weir/runtime';
import type { ClockStatus } from '../clock/agent-clock.ts';
import { describeClock } from '../clock/describe.ts';
import type { LettersWaiting } from '../functions/dead-letter-table.ts';
import type { RequestsStatus } from '../functions/requests.ts';
import type { LatencyReport } from '../functions/rule-latency.ts';
import type { CertificateStatus } from '../identity/renewal.ts';
import type { NoticesStatus } from '../notices/teller.ts';
import type { KnownRange } from '../outbox/drops.ts';
import type { LaneAccount } from '../outbox/outbox.ts';
import { lossWords } from '../spool/loss.ts';
import type { StorageStatus } from '../spool/storage.ts';
import type { TrustStatus } from '../trust/trust.ts';
import type { MeterStatus } from '../uplink/meter.ts';
import { type DeploymentsStatus, deploymentLines } from './deployments.ts';
import { age, size, table } from './format.ts';
import { forwardingRows } from './forwarding.ts';
import { noticeLines } from './notices.ts';

/** What `weir-agent status` shows. Times in ms since epoch, sizes in bytes. */
export interface StatusReport extends DeploymentsStatus {
  device: string;
  version: string;
  startedAt: number;
  now: number;
  /** What is known of the time; undefined: the clock is right. */
  clock?: ClockStatus | undefined;
  /** Undefined: there is no disk. */
  storage?: StorageStatus | undefined;
  /** `off`: a device without a hub. */
  uplink: { state: 'up' | 'down' | 'off'; since: number; reason?: string };
  broker: { host: string; port: number; connections: number };
  /** Readings accepted since the data folder was made. */
  accepted: number;
  /** Of these, readings that bore a time ahead of this device's clock. */
  futureReadings: number;
  /** Payloads refused, by reason. */
  refused: Record<string, number>;
  /** Newest first; `head` is what can be shown of the payload. */
  lastRefused: { at: number; topic: string; reason: string; detail: string; head: string }[];
  /** Of the device; absent: it has none, or it is not renewed here. */
  certificate?: CertificateStatus;
  /** Whom this device believes what it is to run; absent: a device without a hub. */
  trust?: TrustStatus;
  /** Of a metered line. */
  budget?: MeterStatus;
  journal: { bytes: number; lagRows: number };
  lanes: LaneAccount[];
  /** Given up, oldest first: all that the hub has not been told of, and the last ones that it has. */
  droppedRanges: KnownRange[];
  functions: FoldStatus[];
  /** From the arrival of readings to the transitions of rules, committed. */
  ruleLatency: LatencyReport;
  logs: LogLine[];
  logsSuppressed: number;
  publishes: { waiting: number; dropped: number };
  commands: { waiting: number; dropped: number };
  /** HTTP requests of functions. */
  requests: RequestsStatus;
  /** Processes of the sandbox that ended or were killed, and were replaced. */
  sandbox: { restarts: number };
  /** Who is told of alerts by the device itself; `dropped`: given up at a bound. */
  notices: NoticesStatus;
  /** Input that functions could not take. */
  deadLetters: { waiting: LettersWaiting[]; dropped: number };
}

/** For a person at a terminal. */
export function formatStatus(report: StatusReport): string {
  const { uplink, broker, journal, publishes, now } = report;
  const lines = [
    `device    ${report.device}   agent ${report.version}, up ${age(now - report.startedAt)}`,
    `uplink    ${uplink.state} for ${age(now - uplink.since)}${uplink.reason ? `: ${uplink.reason}` : ''}`,
    ...certificateLines(report),
    ...trustLines(report),
    ...budgetLines(report),
    ...(report.clock === undefined ? [] : [`clock     ${describeClock(report.clock, now)}`]),
    ...storageLines(report),
    `broker    ${broker.host}:${broker.port}, ${broker.connections} connections`,
    `accepted  ${report.accepted} readings`,
    ...(report.futureReadings > 0
      ? [`          ${report.futureReadings} readings came with a time ahead of this device's clock`]
      : []),
    `journal   ${size(journal.bytes)} not yet passed by functions`,
    '',
    ...table([
      ['lane', 'waiting', 'size', 'oldest', 'dropped'],
      ...report.lanes.map(({ lane, items, bytes, oldestAt, dropped }) => [
        lane,
        String(items),
        size(bytes),
        oldestAt === undefined ? '-' : age(now - oldestAt),
        String(dropped),
      ]),
    ]),
    '',
  ];
  if (report.functions.length === 0) lines.push('no functions, rules or forwarding policies are deployed');
  else {
    lines.push(
      ...table([
        ['function', 'kind', 'version', 'state', 'readings', 'errors', ''],
        ...report.functions.map((each) => [
          each.name,
          each.kind,
          each.version,
          each.state,
          String(each.readings),
          String(each.errors),
          detailOf(each),
        ]),
      ]),
    );
  }
  lines.push(...deploymentLines(report, now));
  lines.push(...gapLines(report));
  const forwarding = forwardingRows(report.functions);
  if (forwarding.length > 0) lines.push('', ...table(forwarding), '');
  if (publishes.dropped > 0) lines.push(`messages to actuators dropped: ${publishes.dropped}`);
  const { commands } = report;
  if (commands.waiting > 0) lines.push(`commands waiting: ${commands.waiting}`);
  if (commands.dropped > 0) lines.push(`commands dropped: ${commands.dropped}`);
  lines.push(...requestLines(report));
  lines.push(...noticeLines(report));
  lines.push(...letterLines(report));
  const reasons = Object.entries(report.refused);
  if (reasons.length === 0) return lines.join('\n');
  lines.push('', 'refused payloads', ...table(reasons.map(([reason, count]) => [`  ${reason}`, String(count)])));
  for (const { at, topic, reason, detail, head } of report.lastRefused.slice(0, 5)) {
    lines.push(
      `  ${age(now - at)} ago  ${topic || '-'}  ${reason}: ${detail}${head ? `  ${JSON.stringify(head)}` : ''}`,
    );
  }
  return lines.join('\n');
}

/** As many as a person looks at. */
const GAPS_SHOWN = 10;

function gapLines({ droppedRanges, now }: StatusReport): string[] {
  if (droppedRanges.length === 0) return [];
  const rows = droppedRanges
    .slice(-GAPS_SHOWN)
    .map(({ lane, count, reason, at, told }) => [
      `  ${lane}`,
      String(count),
      reason,
      `${age(now - at)} ago`,
      told ? 'the hub knows' : '',
    ]);
  return ['', 'given up for the hub', ...table([['  lane', 'items', 'why', 'last', ''], ...rows])];
}

function trustLines({ trust, now }: StatusReport): string[] {
  if (trust === undefined) return [];
  const { root, sequence, refused } = trust;
  const end = root && new Date(root.expires).toISOString().slice(0, 10);
  const isOver = root !== undefined && root.expires <= now;
  const whom = root && `root file ${root.version}, ${isOver ? 'ended' : 'until'} ${end}; statement ${sequence || '-'}`;
  const lines = [`trust     ${whom ?? 'no root file yet: nobody is trusted'}`];
  // That nobody is trusted is said already.
  if (refused !== undefined && refused.code !== 'no-root') {
    lines.push(`          the hub's word is refused, what runs goes on: ${refused.code}: ${refused.reason}`);
  }
  return lines;
}

function certificateLines({ certificate, now }: StatusReport): string[] {
  if (certificate === undefined) return [];
  const { validTo, isChanging } = certificate;
  const how = validTo < now ? `expired ${age(now - validTo)} ago` : `expires in ${age(validTo - now)}`;
  return [`identity  the certificate ${how}${isChanging ? ', and is being changed for a new one' : ''}`];
}

function budgetLines({ budget }: StatusReport): string[] {
  if (budget === undefined) return [];
  const held = budget.isSpent ? ': readings wait until the day is over' : '';
  return [`budget    ${size(budget.spentBytes)} of ${size(budget.bytesPerDay)} spent on ${budget.day}${held}`];
}

function storageLines({ storage, now }: StatusReport): string[] {
  if (storage === undefined) return [];
  const { state, since, detail, restored, quarantined } = storage;
  const lines = state === 'ok' ? [] : [`disk      ${state} for ${age(now - since)}: ${detail ?? ''}`];
  if (restored === undefined) return lines;
  lines.push(`database  was damaged and replaced ${age(now - restored.at)} ago: ${lossWords(restored)}`);
  return [...lines, ...quarantined.map(({ name, bytes }) => `          ${name}, ${size(bytes)}, is kept to look at`)];
}

function letterLines({ deadLetters: { waiting, dropped } }: StatusReport): string[] {
  if (waiting.length === 0 && dropped === 0) return [];
  const rows = waiting.map(({ function: name, count, bytes }) => [`  ${name}`, `${count} waiting`, size(bytes)]);
  return [
    '',
    'dead letters: input that functions could not take, to be seen with weir fn dead-letters list',
    ...(rows.length > 0 ? table(rows) : []),
    ...(dropped > 0 ? [`  ${dropped} older ones were dropped, over the limit`] : []),
  ];
}

function detailOf({ reason, inPlaceOf }: FoldStatus): string {
  const instead = inPlaceOf && `in place of ${inPlaceOf.version}, which is ${inPlaceOf.state}: ${inPlaceOf.reason}`;
  return [instead, reason].filter((part) => part !== undefined).join('; ');
}

function requestLines({ requests, now }: StatusReport): string[] {
  const { waiting, refused, dropped, dead, circuits } = requests;
  const counts = Object.entries({ waiting, refused, dropped, 'given up': dead }).filter(([, count]) => count > 0);
  return [
    ...(counts.length > 0 ? [`requests: ${counts.map(([what, count]) => `${count} ${what}`).join(', ')}`] : []),
    ...circuits.map(({ destination, until, lastError }) => {
      const when = until === undefined || until <= now ? 'asked again now' : `asked again in ${age(until - now)}`;
      return `  ${destination} does not answer, ${when}${lastError === undefined ? '' : `: ${lastError}`}`;
    }),
  ];
}

/** @param uplink absent: the device has no hub */
export function uplinkStatus(
  uplink: { since: number; isOpen: boolean; state: { reason?: string | undefined } } | undefined,
  startedAt: number,
): StatusReport['uplink'] {
  if (uplink === undefined) return { state: 'off', since: startedAt };
  const { since, isOpen, state } = uplink;
  return { state: isOpen ? 'up' : 'down', since, ...(state.reason !== undefined && { reason: state.reason }) };
}

/** What a terminal can show; the rest as dots. */
export function printable(head: Uint8Array): string {
  return Buffer.from(head)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');
}
