import { createHash } from 'node:crypto';
import type { Item, Store } from '../store/store.ts';
import { FleetError } from './error.ts';
import type { IssuedToken, TokenOptions } from './fleet.ts';
import { itemsOf, tokenKey } from './keys.ts';

/** What the store keeps of a token: never its secret. */
export interface TokenRecord {
  id: string;
  groups: string[];
  tags: Record<string, string>;
  replace: boolean;
  usesLeft: number;
  createdAt: number;
  expiresAt: number;
}

/** 128 bits: cannot be guessed, and no rate limit is needed to keep it so. */
const SECRET_BYTES = 16;
/** So long an expired token still gets "expired" for an answer, and not "unknown". */
const EXPIRED_KEPT_MS = 7 * 86_400_000;
/** A script that makes tokens in a loop is stopped before the listing is useless. */
const TOKENS_MAX = 10_000;
export const TOKEN_TTL_MS_MAX = 365 * 86_400_000;
export const TOKEN_USES_MAX = 10_000;

const REMEDY = 'make a new one with: weir token create --group GROUP';

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

export async function createToken(
  store: Store,
  options: TokenOptions,
  random: (bytes: number) => Uint8Array,
  now: number,
): Promise<IssuedToken> {
  await sweep(store, now);
  const secret = Buffer.from(random(SECRET_BYTES)).toString('base64url');
  const hash = hashSecret(secret);
  const record: TokenRecord = {
    id: hash.slice(0, 12),
    groups: [...new Set(options.groups)],
    tags: options.tags ?? {},
    replace: options.replace ?? false,
    usesLeft: options.uses,
    createdAt: now,
    expiresAt: now + options.ttlMs,
  };
  await store.write([{ put: tokenKey(hash), json: record, ifVersion: 0 }]);
  return { id: record.id, secret, expiresAt: record.expiresAt };
}

/** Forgets what expired long ago, so that the table does not grow for ever. */
async function sweep(store: Store, now: number): Promise<void> {
  let kept = 0;
  for await (const { version, json, ...key } of itemsOf(store, { table: 'token', partition: 'all' })) {
    if ((json as TokenRecord).expiresAt + EXPIRED_KEPT_MS < now) {
      await store.write([{ remove: { table: key.table, partition: key.partition, sort: key.sort } }]);
    } else kept += 1;
  }
  if (kept >= TOKENS_MAX) {
    throw new FleetError('limit-exceeded', `${kept} join tokens exist`, 'use tokens with more --uses, or wait');
  }
}

/** @throws {FleetError} unless the token can be spent now. */
export async function usableToken(
  store: Store,
  secret: string,
  now: number,
): Promise<{ item: Item; token: TokenRecord }> {
  const item = await store.get(tokenKey(hashSecret(secret)));
  if (item === undefined) throw new FleetError('token-invalid', 'this join token is not known here', REMEDY);
  const token = item.json as TokenRecord;
  if (now >= token.expiresAt) {
    const since = new Date(token.expiresAt).toISOString();
    throw new FleetError('token-expired', `this join token expired at ${since}`, REMEDY);
  }
  if (token.usesLeft <= 0) throw new FleetError('token-spent', 'this join token was used up before', REMEDY);
  return { item, token };
}
