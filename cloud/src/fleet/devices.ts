import type { Change, Store } from '../store/store.ts';
import type { Renewal } from './certificates.ts';
import { FleetError } from './error.ts';
import type { DeviceRecord, EnrolOptions, PageOf, PageOptions, Presence } from './fleet.ts';
import { requireFewGroups } from './groups.ts';
import { deviceKey, memberKey, tokenKey } from './keys.ts';
import { hashSecret, type TokenRecord, usableToken } from './tokens.ts';
import { untilWritten } from './turns.ts';

export interface DeviceStored {
  groups: string[];
  tags: Record<string, string>;
  certificateSerial: string;
  /** Of that certificate: SPKI, base64. */
  publicKey?: string;
  /** While certificates change over. */
  renewal?: Renewal;
  enrolledAt: number;
}

interface PresenceStored extends Presence {
  lastSeenAt: number;
}

/** Spends the token and registers the device in one write: of two that spend its last use, one wins. */
export async function enrol(store: Store, options: EnrolOptions): Promise<void> {
  const { secret, device, certificateSerial, publicKey, now } = options;
  await untilWritten(async () => {
    const { item, token } = await usableToken(store, secret, now);
    const existing = await store.get(deviceKey(device, 'record'));
    const before = existing?.json as DeviceStored | undefined;
    if (before !== undefined) requireReplaceable(device, before, token);
    const stored: DeviceStored = {
      groups: [...new Set([...(before?.groups ?? []), ...token.groups])].sort(),
      tags: { ...before?.tags, ...token.tags },
      certificateSerial,
      ...(publicKey !== undefined && { publicKey }),
      enrolledAt: now,
    };
    requireFewGroups(device, stored.groups);
    const changes: Change[] = [
      {
        put: tokenKey(hashSecret(secret)),
        json: { ...token, usesLeft: token.usesLeft - 1 } satisfies TokenRecord,
        ifVersion: item.version,
      },
      { put: deviceKey(device, 'record'), json: stored, ifVersion: existing?.version ?? 0 },
    ];
    for (const group of token.groups) changes.push({ put: memberKey(group, device), json: { addedAt: now } });
    await store.write(changes);
  });
}

function requireReplaceable(device: string, before: DeviceStored, token: TokenRecord): void {
  const related = before.groups.some((group) => token.groups.includes(group));
  if (token.replace && related) return;
  const group = before.groups[0] ?? 'GROUP';
  throw new FleetError(
    'device-exists',
    `a device "${device}" is enrolled already`,
    token.replace
      ? `it is in none of the token's groups (${token.groups.join(', ')}); use a token for one of its own: ${before.groups.join(', ')}`
      : `choose another name with --name, or, if this is the same device anew, make a token with: weir token create --group ${group} --replace`,
  );
}

export async function getDevice(store: Store, id: string): Promise<DeviceRecord | undefined> {
  const [item, presenceItem] = await Promise.all([
    store.get(deviceKey(id, 'record')),
    store.get(deviceKey(id, 'presence')),
  ]);
  if (item === undefined) return undefined;
  const stored = item.json as DeviceStored;
  const record: DeviceRecord = {
    id,
    groups: stored.groups,
    tags: stored.tags,
    certificateSerial: stored.certificateSerial,
    enrolledAt: stored.enrolledAt,
  };
  if (stored.publicKey !== undefined) record.publicKey = stored.publicKey;
  if (stored.renewal !== undefined) record.renewal = stored.renewal;
  const presence = presenceItem?.json as PresenceStored | undefined;
  if (presence !== undefined) {
    record.presence = { connected: presence.connected, since: presence.since };
    record.lastSeenAt = presence.lastSeenAt;
  }
  return record;
}

export async function listDevices(store: Store, page: PageOptions = {}): Promise<PageOf<DeviceRecord>> {
  const { names, next } = await store.partitions('device', page);
  const found = await Promise.all(names.map((name) => getDevice(store, name)));
  const items = found.filter((record) => record !== undefined);
  return next === undefined ? { items } : { items, next };
}

/** @returns whether it changed what was known. */
export async function setPresence(store: Store, device: string, connected: boolean, at: number): Promise<boolean> {
  const item = await store.get(deviceKey(device, 'presence'));
  const before = item?.json as PresenceStored | undefined;
  if (before !== undefined && before.since > at) return false;
  const stored: PresenceStored = { connected, since: at, lastSeenAt: at };
  await store.write([{ put: deviceKey(device, 'presence'), json: stored }]);
  return before?.connected !== connected;
}

/** The hub that saw them is gone; when they were seen last stays as it is. */
export async function forgetConnections(store: Store, device: string, now: number): Promise<void> {
  const item = await store.get(deviceKey(device, 'presence'));
  const before = item?.json as PresenceStored | undefined;
  if (before?.connected !== true) return;
  await store.write([{ put: deviceKey(device, 'presence'), json: { ...before, connected: false, since: now } }]);
}
