import type { WeirReported } from '@weir/protocols';
import type { Command } from 'commander';
import type { DeviceDetail } from '../answers.ts';
import { examples, family, path, type Session } from '../session.ts';
import { age, clockTime, plain, table } from '../table.ts';
import { listCommands, sendCommand } from './device-command.ts';
import { conditionLines, flappingLine, furtherHealth, problemLines } from './device-condition.ts';
import { removeCommand, revokeCommand } from './device-end.ts';
import { deviceGaps, gapLines } from './device-gaps.ts';
import { listDevices } from './device-list.ts';
import { tagDevice } from './device-tag.ts';
import { deviceLogs } from './logs.ts';
import { detailOf, stateCells, whyLines } from './status-rows.ts';

export function deviceCommands(session: Session): Command {
  const device = family('device', 'the devices of the fleet');
  device.addCommand(listDevices(session));
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

function describe(detail: DeviceDetail, now: number): string {
  const tags = Object.entries(detail.tags).map(([key, value]) => `${key}=${value}`);
  const lines = [
    `device       ${detail.id}`,
    ...conditionLines(detail, now),
    `groups       ${groupWords(detail)}`,
    `tags         ${tags.join(', ') || '-'}`,
    `enrolled     ${clockTime(detail.enrolledAt)}, certificate ${detail.certificateSerial}`,
    ...flappingLine(detail),
    ...trust(detail),
  ];
  const sections = [
    lines.join('\n'),
    problemLines(detail),
    deployments(detail),
    gapLines(detail.id, detail.gaps),
    deadLetters(detail),
    latest(detail, now),
    refused(detail, now),
    furtherHealth(detail),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function groupWords({ groups, matched = [], excluded = [] }: DeviceDetail): string {
  const named = groups.map((group) => (matched.includes(group) ? `${group} (by tags)` : group)).join(', ') || '-';
  return excluded.length === 0 ? named : `${named}; left out of ${excluded.join(', ')}`;
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

/** Whom it believes what it is to run; an agent of before believes its shadow. */
function trust({ shadow }: DeviceDetail): string[] {
  const said = shadow?.reported?.trust as WeirReported['trust'];
  if (said === undefined) return [];
  const { root, sequence, refused } = said;
  const whom = root === undefined ? 'nobody: it has no root file' : `root file ${root}, statement ${sequence}`;
  const why = refused === undefined ? '' : `; it refuses what this hub wants: ${plain(refused)}`;
  return [`trusts       ${whom}${why}`];
}
