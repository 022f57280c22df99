import type { Store } from '../store/store.ts';
import type { Renewal } from './certificates.ts';
import { enrolment } from './enrolment.ts';
import type { ConnectionEnd, DeviceRecord, EnrolOptions, PageOf, PageOptions, Presence, TagChange } from './fleet.ts';
import { markOfRemoved } from './forgotten.ts';
import { hasGroup, requireFewGroups } from './groups.ts';
import { deviceKey, tokenKey } from './keys.ts';
import { changeDevice, listedOf, memberChanges, placed } from './membership.ts';
import { readSelectors, selectorsVersion } from './selectors.ts';
import { withTags } from './tags.ts';
import { hashSecret, knownToken, type TokenRecord } from './tokens.ts';
import { type Turns, untilWritten } from './turns.ts';

export interface DeviceStored {
  /** All that it is in; derived. @see membership.ts */
  groups: string[];
  /** Those that it was put into. Absent, of a record from before selectors: all. */
  listed?: string[];
  /** Those of `groups` whose selector takes its tags. */
  matched?: string[];
  /** Those that leave it out. */
  excluded?: string[];
  /** Those that would take it, were it not in as many as it can be. */
  over?: string[];
  tags: Record<string, string>;
  certificateSerial: string;
  /** Of that certificate: SPKI, base64. */
  publicKey?: string;
  /** When the latest certificate begins that was made for it, ms since epoch. @see forgotten.ts */
  latestCertificateFrom?: number;
  /** While certificates change over. */
  renewal?: Renewal;
  enrolledAt: number;
  /** Id of the token. */
  joinedBy?: string;
  /** Since when none of its certificates speaks for it. */
  revokedAt?: number;
  /** SHA-256 of keys, base64url. */
  revokedKeys?: string[];
}

interface PresenceStored extends Presence {
  lastSeenAt: number;
}

/** Spends the token and registers the device in one write: of two that spend its last use, one wins. @see enrolment.ts */
export async function enrol(store: Store, options: EnrolOptions): Promise<void> {
  const { secret, device, now } = options;
  const { version } = await untilWritten(async () => {
    const selectors = await readSelectors(store);
    const { item, token } = await knownToken(store, secret, now);
    const existing = await store.get(deviceKey(device, 'record'));
    const before = existing?.json as DeviceStored | undefined;
    const isThere = await Promise.all(token.groups.map((group) => hasGroup(store, group)));
    const ofToken = token.groups.filter((_, at) => isThere[at]);
    // Read after it: a device that is not there has left its mark.
    const removedMark = before === undefined ? await markOfRemoved(store) : undefined;
    const { record, isSpending } = enrolment(before, { ...token, groups: ofToken }, options, removedMark);
    const stored = placed(record, selectors);
    requireFewGroups(device, listedOf(stored));
    const usesLeft = token.usesLeft - (isSpending ? 1 : 0);
    await store.write([
      {
        put: tokenKey(hashSecret(secret)),
        json: { ...token, usesLeft } satisfies TokenRecord,
        ifVersion: item.version,
      },
      { put: deviceKey(device, 'record'), json: stored, ifVersion: existing?.version ?? 0 },
      ...(await memberChanges(store, device, before, stored, now)),
    ]);
    return selectors;
  });
  // A selector that changed meanwhile may have come to all devices but this one.
  if ((await selectorsVersion(store)) !== version) await changeDevice(store, device, now);
}

/** @returns whether it is in other groups now */
export async function tagDevice(store: Store, device: string, change: TagChange, now: number): Promise<boolean> {
  const { moved } = await changeDevice(store, device, now, (stored) => ({
    ...stored,
    tags: withTags(stored.tags, change),
  }));
  return moved;
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
    ...(stored.matched !== undefined && { matched: stored.matched }),
    ...(stored.excluded !== undefined && { excluded: stored.excluded }),
    ...(stored.over !== undefined && { over: stored.over }),
    tags: stored.tags,
    certificateSerial: stored.certificateSerial,
    enrolledAt: stored.enrolledAt,
  };
  if (stored.publicKey !== undefined) record.publicKey = stored.publicKey;
  if (stored.revokedAt !== undefined) record.revokedAt = stored.revokedAt;
  if (stored.renewal !== undefined) record.renewal = stored.renewal;
  if (stored.latestCertificateFrom !== undefined) record.latestCertificateFrom = stored.latestCertificateFrom;
  const presence = presenceItem?.json as PresenceStored | undefined;
  if (presence !== undefined) {
    const { connected, since, reason } = presence;
    record.presence = { connected, since, ...(reason !== undefined && { reason }) };
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

interface PresenceTold {
  connected: boolean;
  /** ms since epoch. */
  at: number;
  end?: ConnectionEnd | undefined;
}

/**
 * @param toldAt by device, up to when this hub was told: what comes out of order is ignored. What a hub before it has kept is not
 *   compared with, for its clock may have been ahead
 * @returns whether that is a change
 */
export async function setPresence(
  store: Store,
  device: string,
  { connected, at, end }: PresenceTold,
  toldAt: Map<string, number>,
): Promise<boolean> {
  if ((toldAt.get(device) ?? at) > at) return false;
  const item = await store.get(deviceKey(device, 'presence'));
  const before = item?.json as PresenceStored | undefined;
  // It was removed meanwhile.
  if (before === undefined && !connected) return false;
  const { reason, heardAt = at } = end ?? {};
  const stored: PresenceStored = { connected, since: at, lastSeenAt: heardAt, ...(reason && { reason }) };
  await store.write([{ put: deviceKey(device, 'presence'), json: stored }]);
  toldAt.set(device, at);
  return before?.connected !== connected;
}

/** The hub that saw them is gone; when they were seen last stays as it is. */
export async function forgetConnections(store: Store, device: string, now: number): Promise<void> {
  const item = await store.get(deviceKey(device, 'presence'));
  const before = item?.json as PresenceStored | undefined;
  if (before?.connected !== true) return;
  const stored: PresenceStored = { ...before, connected: false, since: now, reason: 'SERVER_INITIATED_DISCONNECT' };
  await store.write([{ put: deviceKey(device, 'presence'), json: stored }]);
}

/** Those of one batch share a commit of the store. */
const HEARD_AT_ONCE = 64;

export async function keepAllHeard(store: Store, turns: Turns, devices: ReadonlyMap<string, number>): Promise<void> {
  const all = [...devices];
  const keep = ([device, at]: [string, number]) => turns.run(device, () => keepHeard(store, device, at));
  while (all.length > 0) await Promise.all(all.splice(0, HEARD_AT_ONCE).map(keep));
}

/** Of one that was removed, or has gone meanwhile, nothing is kept. */
async function keepHeard(store: Store, device: string, at: number): Promise<void> {
  const item = await store.get(deviceKey(device, 'presence'));
  const before = item?.json as PresenceStored | undefined;
  if (before?.connected !== true || before.lastSeenAt >= at) return;
  await store.write([{ put: deviceKey(device, 'presence'), json: { ...before, lastSeenAt: at } }]);
}
