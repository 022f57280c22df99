/** What a key may do, the least first; each may what those before it may. */
export const ROLES = ['metrics', 'viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export function mayActAs(role: Role, least: Role | 'open'): boolean {
  return least === 'open' || ROLES.indexOf(role) >= ROLES.indexOf(least);
}
