/**
 * Which certificates speak for a device: one, but for the time in which it changes over to a new one.
 *
 *     current                    renew          current, next      next is used     current (that was next), previous
 *     --------------------------------------->  ----------------------------------> ------------------------------->
 *                                               the device has it,                  until the overlap is over
 *                                               or the answer was lost
 *
 * A device that was given a new one and lost it still has the old one, so nothing is taken away until the new one has
 * been used. Of a device that joins again, or is revoked, all of them end.
 */
import type { Store } from '../store/store.ts';
import type { DeviceStored } from './devices.ts';
import { FleetError } from './error.ts';
import type { DeviceRecord, RenewOptions } from './fleet.ts';
import { deviceKey } from './keys.ts';
import { untilWritten } from './turns.ts';

export interface Renewal {
  /** Given out, and not used yet. */
  next?: { serial: string; publicKey?: string; issuedAt: number };
  /** Used before the one in force. */
  previous?: { serial: string; until: number };
}

export type Standing = 'current' | 'next' | 'previous';

/** What was begun with the old one, e.g. the fetching of a bundle, is done by then. */
export const OVERLAP_MS = 10 * 60_000;

/** @returns undefined: the certificate does not speak for the device, any more or at all */
export function standingOf(
  device: Pick<DeviceRecord, 'certificateSerial' | 'renewal' | 'revokedAt'> | undefined,
  serial: string,
  now: number,
): Standing | undefined {
  if (device === undefined || device.revokedAt !== undefined) return undefined;
  if (device.certificateSerial === serial) return 'current';
  if (device.renewal?.next?.serial === serial) return 'next';
  const { previous } = device.renewal ?? {};
  return previous?.serial === serial && now < previous.until ? 'previous' : undefined;
}

/**
 * When the latest certificate begins that was made for a device. Never goes back.
 * @param validFrom of one more; undefined: not known, so that nothing can be told to be later. @see forgotten.ts
 */
export function marked(mark: number | undefined, validFrom: number | undefined): { latestCertificateFrom?: number } {
  return validFrom === undefined ? {} : { latestCertificateFrom: Math.max(mark ?? 0, validFrom) };
}

/** @throws {FleetError} `certificate-replaced` */
export async function renewCertificate(store: Store, options: RenewOptions): Promise<void> {
  const { device, shown, certificateSerial, publicKey, validFrom, now } = options;
  await untilWritten(async () => {
    const item = await store.get(deviceKey(device, 'record'));
    const stored = item?.json as DeviceStored | undefined;
    // One of two renewals at a time may have been used meanwhile.
    if (stored?.certificateSerial !== shown || stored.revokedAt !== undefined) {
      throw new FleetError('certificate-replaced', 'this certificate has been replaced', 'use the newer one');
    }
    const next = { serial: certificateSerial, ...(publicKey !== undefined && { publicKey }), issuedAt: now };
    const renewal: Renewal = { ...stored.renewal, next };
    const { latestCertificateFrom, ...rest } = stored;
    const json: DeviceStored = { ...rest, ...marked(latestCertificateFrom, validFrom), renewal };
    await store.write([{ put: deviceKey(device, 'record'), json, ifVersion: item!.version }]);
  });
}

/** The device has shown its new certificate: from now on that is the one in force. */
export async function certificateUsed(store: Store, device: string, serial: string, now: number): Promise<void> {
  await untilWritten(async () => {
    const item = await store.get(deviceKey(device, 'record'));
    const stored = item?.json as DeviceStored | undefined;
    if (stored === undefined || stored.renewal?.next?.serial !== serial) return;
    const renewal: Renewal = { previous: { serial: stored.certificateSerial, until: now + OVERLAP_MS } };
    const { publicKey } = stored.renewal.next;
    const { publicKey: _before, ...rest } = stored;
    const known = publicKey !== undefined && { publicKey };
    const next: DeviceStored = { ...rest, certificateSerial: serial, ...known, renewal };
    await store.write([{ put: deviceKey(device, 'record'), json: next, ifVersion: item!.version }]);
  });
}
