/**
 * Certificates that this hub has given out and forgotten: its data was put back to an old copy since.
 *
 *     made for gw1      A ----------- B ----------- C          time at which each begins
 *     the copy          A             :             :
 *     the copy's mark   A             later: forgotten, taken as the one in force; the mark goes on to it
 *
 * Of each device the hub keeps a mark: when the latest certificate begins that it has made for it. It is written with the
 * certificate, before that leaves the hub, and never goes back, whatever the clock does; what is removed leaves its mark to
 * whoever takes its name. So whatever this hub remembers to have made is at its mark or before it: what was replaced, or
 * revoked, or lost on its way is never taken again. A certificate of this hub's key that begins later can only be of what
 * was forgotten.
 *
 * @see docs/decisions/0049-a-later-certificate-was-forgotten.md
 */
import type { Store } from '../store/store.ts';
import { OVERLAP_MS, standingOf } from './certificates.ts';
import type { DeviceStored } from './devices.ts';
import { isRevokedKey } from './enrolment.ts';
import type { DeviceRecord, Fleet, ShownCertificate } from './fleet.ts';
import { deviceKey, REMOVED_KEY } from './keys.ts';
import type { FleetPorts } from './ports.ts';
import { untilWritten } from './turns.ts';

/** Whether a certificate that is not known was given out by this hub. @param shown of the hub's CA, and its key was shown */
export function isForgotten(
  device: Pick<DeviceRecord, 'latestCertificateFrom' | 'revokedAt'> | undefined,
  { validFrom }: Pick<ShownCertificate, 'validFrom'>,
): boolean {
  const { latestCertificateFrom, revokedAt } = device ?? {};
  return latestCertificateFrom !== undefined && revokedAt === undefined && validFrom > latestCertificateFrom;
}

/**
 * Whether a certificate speaks for its device, now that it is shown. One that was not used before is taken into force with
 * that, and so is one that was forgotten.
 */
export async function isInForce(
  fleet: Pick<Fleet, 'device' | 'certificateUsed' | 'takeForgotten'>,
  shown: ShownCertificate,
  now: () => number,
): Promise<boolean> {
  const record = await fleet.device(shown.device);
  const standing = standingOf(record, shown.serial, now());
  if (standing === 'next') await fleet.certificateUsed(shown.device, shown.serial);
  else if (standing !== undefined) return true;
  else if (isForgotten(record, shown)) await fleet.takeForgotten(shown);
  else return false;
  // It may have been revoked meanwhile.
  return standingOf(await fleet.device(shown.device), shown.serial, now()) !== undefined;
}

export interface Taken {
  serial: string;
  /** Of the one in its place until now. */
  before: string;
}

/** With an entry in the audit log. Of one that was not forgotten nothing happens. */
export async function takeForgotten(
  { store, audit, events, now }: Pick<FleetPorts, 'store' | 'audit' | 'events' | 'now'>,
  shown: ShownCertificate,
): Promise<void> {
  const at = now();
  const key = deviceKey(shown.device, 'record');
  const stored = (await store.get(key))?.json as DeviceStored | undefined;
  if (stored === undefined || !isTakeable(stored, shown)) return;
  const entry = await audit?.begin(attempt(shown, stored));
  const taken = await untilWritten(async () => {
    const item = await store.get(key);
    const latest = item?.json as DeviceStored | undefined;
    if (latest === undefined || !isTakeable(latest, shown)) return undefined;
    await store.write([{ put: key, json: withTaken(latest, shown, at), ifVersion: item!.version }]);
    const { certificateSerial: before } = latest;
    return { serial: shown.serial, before } satisfies Taken;
  });
  if (entry !== undefined) await audit?.end(entry, taken === undefined ? 409 : 200);
  if (taken !== undefined) events?.emit({ type: 'certificate-taken', at, device: shown.device, ...taken });
}

function isTakeable(stored: DeviceStored, shown: ShownCertificate): boolean {
  return isForgotten(stored, shown) && !isRevokedKey(stored, shown.publicKey());
}

/** As if it had been renewed, and used. */
function withTaken(stored: DeviceStored, shown: ShownCertificate, now: number): DeviceStored {
  const { serial, validFrom } = shown;
  return {
    ...stored,
    ...{ certificateSerial: serial, publicKey: shown.publicKey(), latestCertificateFrom: validFrom },
    renewal: { previous: { serial: stored.certificateSerial, until: now + OVERLAP_MS } },
  };
}

function attempt(
  { device, serial, address, validFrom }: ShownCertificate,
  { certificateSerial: before }: DeviceStored,
) {
  return {
    by: { id: 'hub', name: 'hub' },
    from: address,
    what: 'TAKE /api/v1/devices/:device/certificate',
    target: `/api/v1/devices/${device}/certificate`,
    body: JSON.stringify({ serial, from: new Date(validFrom).toISOString(), before }),
  };
}

interface RemovedStored {
  /** The latest mark of all devices that were removed. */
  latestCertificateFrom: number;
}

/** For whoever takes the name of one that was removed. */
export async function markOfRemoved(store: Pick<Store, 'get'>): Promise<number | undefined> {
  const stored = (await store.get(REMOVED_KEY))?.json as RemovedStored | undefined;
  return stored?.latestCertificateFrom;
}

/** To be written with the removal. */
export async function removedMarkChanges(store: Pick<Store, 'get'>, { latestCertificateFrom }: DeviceStored) {
  const item = await store.get(REMOVED_KEY);
  const mark = (item?.json as RemovedStored | undefined)?.latestCertificateFrom ?? 0;
  if (latestCertificateFrom === undefined || latestCertificateFrom <= mark) return [];
  return [{ put: REMOVED_KEY, json: { latestCertificateFrom } satisfies RemovedStored, ifVersion: item?.version ?? 0 }];
}
