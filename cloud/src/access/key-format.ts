import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Enough that no two keys of a hub have one id. */
const ID_BYTES = 8;
/** Cannot be guessed, so that its plain hash may be kept: there is nothing to slow down. */
const SECRET_BYTES = 32;

const KEY = /^(wk[0-9a-f]{16})\.([\w-]{43})$/;
const ACCESS_KEY_ID = /^WEIR([0-9A-F]{16})$/;

export function drawKey(random: (bytes: number) => Uint8Array): { id: string; secret: string } {
  const id = `wk${Buffer.from(random(ID_BYTES)).toString('hex')}`;
  return { id, secret: Buffer.from(random(SECRET_BYTES)).toString('base64url') };
}

export function parseKey(text: string): { id: string; secret: string } | undefined {
  const match = KEY.exec(text);
  return match === null ? undefined : { id: match[1]!, secret: match[2]! };
}

export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** In a time that does not depend on where they differ. */
export function isSecretOf(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOfSecret(secret)), Buffer.from(hash));
}

/** AKIA and ASIA are AWS's own prefixes; this one cannot be taken for a key of theirs. */
export function accessKeyIdOf(id: string): string {
  return `WEIR${id.slice('wk'.length).toUpperCase()}`;
}

export function idOfAccessKey(accessKeyId: string): string | undefined {
  const match = ACCESS_KEY_ID.exec(accessKeyId);
  return match === null ? undefined : `wk${match[1]!.toLowerCase()}`;
}

/** Forty characters, as AWS's own have. */
export function secretAccessKeyOf(id: string, masterKey: Uint8Array): string {
  return createHmac('sha256', masterKey).update(`weir secret access key of ${id}`).digest('base64url').slice(0, 40);
}
