/** The keys that a hub makes by itself. */
import type { Access, IssuedKey } from './access.ts';
import { parseKey } from './key-format.ts';

/** For whoever may read the data folder: the `weir` command on the machine of the hub. */
export const LOCAL_KEY = 'local';
/** Printed at the first start: for the first operator on another machine. */
export const FIRST_ADMIN = 'first-admin';

/** @returns undefined unless the hub has never had a key, or `reset` asks for another in the place of the first one */
export async function firstAdminKey(access: Access, reset: boolean): Promise<IssuedKey | undefined> {
  if (!reset && access.list().length > 0) return undefined;
  await revokeIfThere(access, FIRST_ADMIN);
  return access.create({ name: FIRST_ADMIN, role: 'admin', by: 'hub' });
}

/**
 * @param kept the key from the start before
 * @returns the same one, or another where that is no good: whoever reads the data folder is never locked out
 */
export async function localKey(access: Access, kept: string | undefined): Promise<string> {
  if (kept !== undefined && typeof access.authenticate(`Bearer ${kept}`) !== 'string') return kept;
  await revokeIfThere(access, LOCAL_KEY);
  const { key } = await access.create({ name: LOCAL_KEY, role: 'admin', by: 'hub' });
  return key;
}

/** Whoever revokes the local key has it changed: another one is handed to `write` at once. */
export function replaceLocalKey(
  access: Access,
  first: string,
  write: (key: string) => Promise<void>,
  failed: (error: Error) => void,
): void {
  let id = parseKey(first)!.id;
  access.onEnd((ended) => {
    if (ended !== id) return;
    void localKey(access, undefined)
      .then((key) => {
        id = parseKey(key)!.id;
        return write(key);
      })
      .catch(failed);
  });
}

async function revokeIfThere(access: Access, name: string): Promise<void> {
  const inForce = access.list().some((each) => each.name === name && each.revokedAt === undefined);
  if (inForce) await access.revoke(name);
}

/** For the terminal of whoever starts the hub. */
export function announcement({ key, credentials }: IssuedKey, hub: { url: string; caSha256: string }): string {
  const login = hub.url.startsWith('https:') ? ` --ca-sha256 ${hub.caSha256}` : '';
  return [
    'The first admin key of this hub, shown only now. Commands on this machine do without it; elsewhere:',
    `  weir login ${hub.url} --key ${key}${login}`,
    'The same key for clients of the AWS IoT Data Plane:',
    `  access key id      ${credentials.accessKeyId}`,
    `  secret access key  ${credentials.secretAccessKey}`,
    '',
  ].join('\n');
}
