import type { WeirReported } from '@weir/protocols';
import type { Command } from 'commander';
import type { Device, DeviceDetail } from '../answers.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { age, clockTime, plain, table } from '../table.ts';
import { listCommands, sendCommand } from './device-command.ts';
import { removeCommand, revokeCommand } from './device-end.ts';
import { deviceGaps, gapLines } from './device-gaps.ts';
import { tagDevice } from './device-tag.ts';
import { deviceLogs } from './logs.ts';
import { detailOf, stateCells, whyLines } from './status-rows.ts';

export function deviceCommands(session: Session): Command {
  const device = family('device', 'the devices of the fleet');
  device
    .command('list')
    .description('all devices: connected or not, and their groups')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<Device>('/devices');
      const now = Date.now();
      listing(session, options, items, {
        empty: 'No device has joined yet. Make a token: weir token create --group GROUP',
        heading: ['DEVICE', 'STATE', 'LAST SEEN', 'GROUPS'],
        row: (each) => [each.id, connection(each), lastSeen(each, now), each.groups.join(', ')],
      });
    });
  device
    .command('show')
    .description('one device: what it runs, what it measured last, what was refused, what is missing')
    .argument('<device>')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir device show gw1', 'weir device show gw1 --json | jq .shadow'))
    .action(async (id: string, options: { json?: boolean }) => {
      const detail = await session.hub().get<DeviceDetail>(path`/devices/${id}`);
      session.out(options.json ? `${JSON.stringify(detail, null, 2)}\n` : describe(detail, Date.now()));
    });
  device.addCommand(tagDevice(session));
  device.addCommand(sendCommand(session)).addCommand(listCommands(session));
  device.addCommand(deviceGaps(session)).addCommand(deviceLogs(session));
  device.addCommand(revokeCommand(session)).addCommand(removeCommand(session));
  return device;
}

function connection({ presence, revokedAt }: Device): string {
  if (revokedAt !== undefined) return 'revoked';
  if (presence === undefined) return 'never connected';
  return presence.connected ? 'connected' : 'offline';
}

function lastSeen({ presence, lastSeenAt }: Device, now: number): string {
  if (presence?.connected) return 'now';
  return lastSeenAt === undefined ? '-' : age(lastSeenAt, now);
}

function describe(detail: DeviceDetail, now: number): string {
  const tags = Object.entries(detail.tags).map(([key, value]) => `${key}=${value}`);
  const since = detail.presence === undefined ? '' : ` since ${clockTime(detail.presence.since)}`;
  const lines = [
    `device       ${detail.id}`,
    `state        ${connection(detail)}${since}`,
    `groups       ${detail.groups.join(', ') || '-'}`,
    `tags         ${tags.join(', ') || '-'}`,
    `enrolled     ${clockTime(detail.enrolledAt)}, certificate ${detail.certificateSerial}`,
    ...clock(detail),
  ];
  const sections = [
    lines.join('\n'),
    deployments(detail),
    gapLines(detail.id, detail.gaps),
    deadLetters(detail),
    latest(detail, now),
    refused(detail, now),
    health(detail),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function deployments({ deployments }: DeviceDetail): string {
  if (deployments.length === 0) return 'Nothing is deployed to it.';
  const text = table(['RUNS', 'WHERE', 'VERSION', 'STATE', 'DETAIL'], deployments.map(stateCells)).trimEnd();
  // The table may have cut it, and this is the place to read it.
  const broken = deployments.filter(({ state }) => state === 'failed' || state === 'quarantined');
  return [
    text,
    ...whyLines(deployments),
    ...broken.map((each) => `${each.name} is ${each.state}: ${plain(detailOf(each))}`),
  ].join('\n');
}

function deadLetters({ id, deadLetters: { waiting, dropped } }: DeviceDetail): string {
  if (waiting === 0 && dropped === 0) return '';
  const gone = dropped > 0 ? `, ${dropped} older ones are gone at a limit` : '';
  return `dead letters ${waiting} wait${gone}: weir fn dead-letters list --device ${id}`;
}

const LATEST_SHOWN = 20;

function latest({ latest }: DeviceDetail, now: number): string {
  if (latest.length === 0) return '';
  const rows = latest
    .slice(0, LATEST_SHOWN)
    .map(({ sensor, metric, value, unit, ts, quality }) => [
      `${sensor}/${metric}`,
      `${value} ${unit ?? ''}`.trim(),
      `${age(ts, now)}${quality === undefined ? '' : ` (${plain(quality)})`}`,
    ]);
  const more = latest.length - rows.length;
  const text = table(['SERIES', 'VALUE', 'MEASURED'], rows).trimEnd();
  return more > 0 ? `${text}\n… and ${more} more: --json` : text;
}

function refused({ refused: { counts, last } }: DeviceDetail, now: number): string {
  const reasons = Object.entries(counts);
  if (reasons.length === 0) return '';
  const [newest] = last;
  const text = table(
    ['REFUSED BY THE HUB', 'COUNT'],
    reasons.map(([reason, count]) => [reason, String(count)]),
  ).trimEnd();
  return newest === undefined
    ? text
    : `${text}\nlast: ${plain(newest.detail)}, ${newest.bytes} bytes, ${age(newest.at, now)}`;
}

const CLOCKS: Record<string, string> = {
  synchronised: 'right',
  assumed: 'assumed to be right',
  unsynchronised: 'not known; readings are marked until it is',
};

/** How far it can tell the time. */
function clock({ shadow }: DeviceDetail): string[] {
  const health = shadow?.reported?.health as Pick<NonNullable<WeirReported['health']>, 'clock'> | undefined;
  if (health?.clock === undefined) return [];
  const { certainty, source, wallAhead, hubAhead } = health.clock;
  const by = certainty === 'synchronised' ? `, by ${source === 'ntp' ? 'NTP' : 'the hub'}` : '';
  const apart = (seconds: number) => `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
  const wall = wallAhead === 0 ? '' : `; the machine's own is ${apart(wallAhead)}`;
  const hub = hubAhead === 0 ? '' : `; ${apart(hubAhead)} of the hub`;
  return [`clock        ${CLOCKS[certainty] ?? plain(String(certainty))}${by}${wall}${hub}`];
}

/** What the agent says of itself. It is shown as it came: another version may say more. */
function health({ shadow }: DeviceDetail): string {
  const said = shadow?.reported?.health as Record<string, unknown> | undefined;
  if (said === undefined) return '';
  const rows = Object.entries(said)
    .filter(([key]) => key !== 'clock')
    .map(([key, value]) => [key, words(value)]);
  return table(['THE AGENT SAYS', ''], rows).trimEnd();
}

function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([key, each]) => `${key} ${each}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}
