/** What stands behind the question mark, and pages of listings. */
import { DataPlaneError } from './error.ts';

/** @throws {DataPlaneError} 400 */
export function booleanIn(query: Query, name: string): boolean {
  const text = query[name] ?? 'false';
  if (text === 'true' || text === 'false') return text === 'true';
  throw new DataPlaneError(400, `${name} must be true or false, found ${text.slice(0, 64)}`);
}

/** @throws {DataPlaneError} 400 */
export function integerIn(query: Query, name: string, bounds: { min: number; max: number; fallback: number }): number {
  const text = query[name];
  if (text === undefined) return bounds.fallback;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= bounds.min && number <= bounds.max) return number;
  throw new DataPlaneError(400, `${name} must be a number from ${bounds.min} to ${bounds.max}`);
}

export type Query = Partial<Record<string, string>>;

/** A page after the one whose `nextToken` was given. @throws {DataPlaneError} 400 */
export function afterIn({ nextToken }: Query): { after?: string } {
  if (nextToken === undefined || nextToken === '') return {};
  const after = Buffer.from(nextToken, 'base64url').toString();
  if (nextTokenOf(after).nextToken === nextToken) return { after };
  throw new DataPlaneError(400, 'Invalid nextToken');
}

/** @param next where the next page begins; undefined: this is the last */
export function nextTokenOf(next: string | undefined): { nextToken?: string } {
  return next === undefined ? {} : { nextToken: Buffer.from(next).toString('base64url') };
}
