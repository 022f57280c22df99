/** How a device is, in lines for a person. */
import type { Device, DeviceDetail } from '../answers.ts';
import { age, clockTime, lasting, plain, table } from '../table.ts';
import { lastSeen, stateWords } from './device-list.ts';

const KIB = 1024;

export function conditionLines(detail: DeviceDetail, now: number): string[] {
  const { state, stateSince, presence, lastSeenAt, version, health = {} } = detail;
  const why =
    state === 'offline' && presence?.reason !== undefined ? ` (${REASONS[presence.reason] ?? presence.reason})` : '';
  const seen = lastSeenAt === undefined ? '' : `, at ${clockTime(lastSeenAt)}`;
  const { startedAt } = (detail.shadow?.reported?.agent ?? {}) as { startedAt?: number };
  const started = startedAt === undefined ? '' : `, started ${age(startedAt, now)}`;
  return [
    `state        ${stateWords(detail)}${why} since ${clockTime(stateSince)}`,
    `last seen    ${lastSeen(detail, now)}${seen}`,
    ...(version === undefined ? [] : [`agent        ${plain(version)}${started}`]),
    ...healthLines(health, now),
  ];
}

/** Its connection is taken over by another one of its own, again and again. */
export function flappingLine({ id, connection }: DeviceDetail): string[] {
  if (connection?.flapping === undefined) return [];
  const { since, takeovers, addresses } = connection.flapping;
  const why =
    addresses.length > 1
      ? `it is there more than once: weir device revoke ${id}, and let the right one join again`
      : 'its line is lost again and again';
  return [`flapping     ${takeovers} times since ${clockTime(since)}, from ${addresses.join(', ')}; ${why}`];
}

const REASONS: Readonly<Record<string, string>> = {
  CLIENT_INITIATED_DISCONNECT: 'it said goodbye',
  CONNECTION_LOST: 'its connection was closed',
  DUPLICATE_CLIENTID: 'it came from elsewhere',
  API_INITIATED_DISCONNECT: 'somebody ended its connection',
  AUTH_ERROR: 'its certificate ended',
  FORBIDDEN_ACCESS: 'it did what it may not do',
  CLIENT_ERROR: 'it did not speak MQTT as specified',
  SERVER_ERROR: 'the hub failed',
};

type Health = NonNullable<Device['health']>;

function healthLines(health: Health, now: number): string[] {
  const { disk, memory, buffer, certificate, waiting, dropped, accepted } = health;
  const lines: string[] = [];
  if (disk !== undefined) lines.push(`disk         ${size(disk.free)} of ${size(disk.total)} are free`);
  if (memory !== undefined) {
    const { agent, sandbox, free, total } = memory;
    lines.push(`memory       agent ${size(agent)}, sandbox ${size(sandbox)}; ${size(free)} of ${size(total)} are free`);
  }
  if (waiting !== undefined) lines.push(`buffer       ${bufferWords(waiting, buffer, now)}`);
  if (accepted !== undefined) {
    lines.push(
      `readings     ${accepted} accepted${dropped ? `, ${dropped} items given up before the hub had them` : ''}`,
    );
  }
  lines.push(...clockLine(health));
  if (certificate !== undefined) {
    const left = (certificate.validTo - now) / 1000;
    const when = left > 0 ? `ends in ${lasting(left)}` : `ended ${lasting(-left)} ago`;
    lines.push(`certificate  ${when}, at ${clockTime(certificate.validTo)}`);
  }
  return lines;
}

function bufferWords(waiting: number, buffer: Health['buffer'], now: number): string {
  if (buffer === undefined) return waiting === 0 ? 'nothing waits' : `${waiting} items are on their way`;
  const { bytes, oldestAt, drainSeconds } = buffer;
  const oldest = oldestAt === undefined ? '' : `, the oldest since ${age(oldestAt, now)}`;
  const drain = drainSeconds === undefined ? 'it does not get less' : `sent in about ${lasting(drainSeconds)}`;
  return `${waiting} items wait (${size(bytes)})${oldest}; ${drain}`;
}

const CLOCKS: Record<string, string> = {
  synchronised: 'right',
  assumed: 'assumed to be right',
  unsynchronised: 'not known; readings are marked until it is',
};

/** How far it can tell the time. */
function clockLine({ clock }: Health): string[] {
  if (clock === undefined) return [];
  const { certainty, source, wallAhead, hubAhead } = clock;
  const by = certainty === 'synchronised' ? `, by ${source === 'ntp' ? 'NTP' : 'the hub'}` : '';
  const apart = (seconds: number) => `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
  const wall = wallAhead === 0 ? '' : `; the machine's own is ${apart(wallAhead)}`;
  const hub = hubAhead === 0 ? '' : `; ${apart(hubAhead)} of the hub`;
  return [`clock        ${CLOCKS[certainty] ?? plain(String(certainty))}${by}${wall}${hub}`];
}

export function problemLines({ problems }: Device): string {
  return problems.map(({ code, text }) => `problem      ${code}: ${plain(text)}`).join('\n');
}

const SHOWN = ['accepted', 'waiting', 'dropped', 'clock', 'disk', 'memory', 'buffer', 'certificate'];

/** What else the agent says of itself. It is shown as it came: another version may say more. */
export function furtherHealth({ shadow }: DeviceDetail): string {
  const said = (shadow?.reported?.health ?? {}) as Record<string, unknown>;
  const rows = Object.entries(said)
    .filter(([key]) => !SHOWN.includes(key))
    .map(([key, value]) => [key, words(value)]);
  return rows.length === 0 ? '' : table(['THE AGENT SAYS', ''], rows).trimEnd();
}

function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([key, each]) => `${key} ${each}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round((bytes / KIB ** at) * 10) / 10} ${units[at]}`;
}
