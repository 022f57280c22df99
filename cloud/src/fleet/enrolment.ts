/**
 * What becomes of a device that shows a join token.
 *
 *     not known                                   joins; the token is spent by one use
 *     known, asks again with the same key and     gets its certificate again, and nothing is spent: the answer was lost,
 *     the token with which it joined              or one of the two was killed between issue and store
 *     known, the token lets devices of one of     joins again: the certificates that it had end
 *     its groups join again
 *     known otherwise                             refused
 *
 * Whichever: no certificate that is older than one that was made for it before is taken for a later one. @see forgotten.ts
 *
 * A key that was revoked gets no certificate again, by any token: whoever stole the key may have the token, too.
 */
import { createHash } from 'node:crypto';
import { marked } from './certificates.ts';
import type { DeviceStored } from './devices.ts';
import { FleetError } from './error.ts';
import type { EnrolOptions } from './fleet.ts';
import { listedOf } from './membership.ts';
import { requireUses, type TokenRecord } from './tokens.ts';

export interface Enrolment {
  /** Yet to be placed in its groups. */
  record: DeviceStored;
  /** A use of the token. */
  isSpending: boolean;
}

/** Of one device: whoever had more of its keys stolen needs another name. */
const REVOKED_KEYS_MAX = 16;

/**
 * @param token with those of its groups that are there still
 * @param removedMark the mark of devices that were removed, one of which may have had this name
 * @throws {FleetError} `token-spent`, `device-exists`, `key-revoked`
 */
export function enrolment(
  before: DeviceStored | undefined,
  token: TokenRecord,
  { device, certificateSerial, publicKey, validFrom, now }: EnrolOptions,
  removedMark?: number,
): Enrolment {
  const mark = marked(before === undefined ? removedMark : before.latestCertificateFrom, validFrom);
  const issued = { certificateSerial, ...(publicKey !== undefined && { publicKey }), ...mark };
  if (before !== undefined && isAskedAgain(before, token, publicKey)) {
    const { renewal: _neverUsed, latestCertificateFrom: _before, ...rest } = before;
    return { record: { ...rest, ...issued }, isSpending: false };
  }
  requireUses(token);
  if (before !== undefined) requireReplaceable(device, before, token);
  if (publicKey !== undefined && before !== undefined && isRevokedKey(before, publicKey)) {
    throw new FleetError(
      'key-revoked',
      `the key of the device "${device}" was revoked`,
      'let it make another: weir-agent join … --force',
    );
  }
  const { revokedKeys, excluded } = before ?? {};
  const record: DeviceStored = {
    groups: [],
    listed: [...new Set([...(before === undefined ? [] : listedOf(before)), ...token.groups])],
    ...(excluded !== undefined && { excluded: excluded.filter((name) => !token.groups.includes(name)) }),
    tags: { ...before?.tags, ...token.tags },
    ...issued,
    ...(revokedKeys !== undefined && { revokedKeys }),
    joinedBy: token.id,
    enrolledAt: now,
  };
  return { record, isSpending: true };
}

/** The certificate that it had ends, whoever has it; nothing brings it back but another join. */
export function revoked(before: DeviceStored, now: number): DeviceStored {
  const { renewal, ...rest } = before;
  const keys = [before.publicKey, renewal?.next?.publicKey].filter((key) => key !== undefined).map(hashOfKey);
  const revokedKeys = [...new Set([...(before.revokedKeys ?? []), ...keys])].slice(-REVOKED_KEYS_MAX);
  return { ...rest, revokedKeys, revokedAt: before.revokedAt ?? now };
}

export function isRevokedKey({ revokedKeys = [] }: Pick<DeviceStored, 'revokedKeys'>, publicKey: string): boolean {
  return revokedKeys.includes(hashOfKey(publicKey));
}

function isAskedAgain(before: DeviceStored, token: TokenRecord, publicKey: string | undefined): boolean {
  return (
    before.revokedAt === undefined &&
    before.joinedBy === token.id &&
    publicKey !== undefined &&
    before.publicKey === publicKey
  );
}

function requireReplaceable(device: string, before: DeviceStored, token: TokenRecord): void {
  const related = before.groups.some((group) => token.groups.includes(group));
  if (token.replace && related) return;
  const group = before.groups[0] ?? 'GROUP';
  throw new FleetError(
    'device-exists',
    before.revokedAt === undefined ? `a device "${device}" is enrolled already` : `the device "${device}" was revoked`,
    token.replace
      ? `it is in none of the token's groups (${token.groups.join(', ')}); use a token for one of its own: ${before.groups.join(', ')}`
      : `choose another name with --name, or, if this is the same device anew, make a token with: weir token create --group ${group} --replace`,
  );
}

function hashOfKey(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64url');
}
