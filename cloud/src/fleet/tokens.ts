import { createHash } from 'node:crypto';
import type { Item, Store } from '../store/store.ts';
import { FleetError } from './error.ts';
import type { IssuedToken, TokenOptions, TokenSummary } from './fleet.ts';
import { itemsOf, tokenKey } from './keys.ts';
import { untilWritten } from './turns.ts';

/** What the store keeps of a token: never its secret. */
export interface TokenRecord {
  id: string;
  groups: string[];
  tags: Record<string, string>;
  replace: boolean;
  /** Absent: made before it was kept. */
  uses?: number;
  usesLeft: number;
  createdAt: number;
  expiresAt: number;
  revokedAt?: number;
}

/** 128 bits: cannot be guessed, and no rate limit is needed to keep it so. */
const SECRET_BYTES = 16;
/** So long an expired token still gets "expired" for an answer, and not "unknown". */
const EXPIRED_KEPT_MS = 7 * 86_400_000;
/** A script that makes tokens in a loop is stopped before the listing is useless. */
const TOKENS_MAX = 10_000;
export const TOKEN_TTL_MS_MAX = 365 * 86_400_000;
export const TOKEN_USES_MAX = 10_000;

const ALL = { table: 'token', partition: 'all' };
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
    uses: options.uses,
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
  for await (const { version, json, ...key } of itemsOf(store, ALL)) {
    if ((json as TokenRecord).expiresAt + EXPIRED_KEPT_MS < now) {
      await store.write([{ remove: { table: key.table, partition: key.partition, sort: key.sort } }]);
    } else kept += 1;
  }
  if (kept >= TOKENS_MAX) {
    throw new FleetError('limit-exceeded', `${kept} join tokens exist`, 'use tokens with more --uses, or wait');
  }
}

/** @throws {FleetError} unless it may be shown now; it may be spent. */
export async function knownToken(
  store: Store,
  secret: string,
  now: number,
): Promise<{ item: Item; token: TokenRecord }> {
  const item = await store.get(tokenKey(hashSecret(secret)));
  if (item === undefined) throw new FleetError('token-invalid', 'this join token is not known here', REMEDY);
  const token = item.json as TokenRecord;
  if (token.revokedAt !== undefined) throw new FleetError('token-revoked', 'this join token was revoked', REMEDY);
  if (now >= token.expiresAt) {
    const since = new Date(token.expiresAt).toISOString();
    throw new FleetError('token-expired', `this join token expired at ${since}`, REMEDY);
  }
  return { item, token };
}

/** @throws {FleetError} `token-spent` */
export function requireUses({ usesLeft }: TokenRecord): void {
  if (usesLeft <= 0) throw new FleetError('token-spent', 'this join token was used up before', REMEDY);
}

export async function listTokens(store: Store, now: number): Promise<TokenSummary[]> {
  const found: TokenSummary[] = [];
  for await (const { json } of itemsOf(store, ALL)) found.push(summaryOf(json as TokenRecord, now));
  return found.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
}

/** @throws {FleetError} `token-unknown` */
export async function revokeToken(store: Store, id: string, now: number): Promise<TokenSummary> {
  return untilWritten(async () => {
    // An id is how its hash begins.
    const { items } = await store.query({ ...ALL, from: id, limit: 1 });
    const [item] = items;
    const token = item?.json as TokenRecord | undefined;
    if (item === undefined || token?.id !== id) {
      throw new FleetError('token-unknown', `there is no join token "${id}"`, 'see which there are: weir token list');
    }
    const ended: TokenRecord = { ...token, revokedAt: token.revokedAt ?? now };
    await store.write([
      { put: { table: item.table, partition: item.partition, sort: item.sort }, json: ended, ifVersion: item.version },
    ]);
    return summaryOf(ended, now);
  });
}

function summaryOf({ revokedAt, ...token }: TokenRecord, now: number): TokenSummary {
  const { uses = token.usesLeft } = token;
  const isOver = now >= token.expiresAt ? 'expired' : token.usesLeft <= 0 ? 'spent' : 'usable';
  return { ...token, uses, state: revokedAt === undefined ? isOver : 'revoked' };
}
