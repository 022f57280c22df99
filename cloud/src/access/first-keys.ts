/** The keys that a hub makes by itself. */
import type { Attempt, Audit } from '../audit/audit.ts';
import type { Access, IssuedKey } from './access.ts';
import { parseKey } from './key-format.ts';

/** For whoever may read the data folder: the `weir` command on the machine of the hub. */
export const LOCAL_KEY = 'local';
/** Printed at the first start: for the first operator on another machine. */
export const FIRST_ADMIN = 'first-admin';

export interface KeyPorts {
  access: Access;
  audit: Pick<Audit, 'begin' | 'end'>;
}

const BY_ITSELF: Attempt = {
  by: { id: 'hub', name: 'hub' },
  from: '-',
  what: 'POST /api/v1/api-keys',
  target: '/api/v1/api-keys',
};

/** @returns undefined unless the hub has never had a key, or `reset` asks for another in the place of the first one */
export async function firstAdminKey(ports: KeyPorts, reset: boolean): Promise<IssuedKey | undefined> {
  if (!reset && ports.access.list().length > 0) return undefined;
  return makeAnew(ports, FIRST_ADMIN);
}

/**
 * @param kept the key from the start before
 * @returns the same one, or another where that is no good: whoever reads the data folder is never locked out
 */
export async function localKey(ports: KeyPorts, kept: string | undefined): Promise<string> {
  if (kept !== undefined && typeof ports.access.authenticate(`Bearer ${kept}`) !== 'string') return kept;
  return (await makeAnew(ports, LOCAL_KEY)).key;
}

/** Whoever revokes the local key has it changed: another one is handed to `write` at once. */
export function replaceLocalKey(
  ports: KeyPorts,
  first: string,
  write: (key: string) => Promise<void>,
  failed: (error: Error) => void,
): void {
  let id = parseKey(first)!.id;
  ports.access.onEnd((ended) => {
    if (ended !== id) return;
    void localKey(ports, undefined)
      .then((key) => {
        id = parseKey(key)!.id;
        return write(key);
      })
      .catch(failed);
  });
}

/** With an entry in the audit log, as for a key that an admin makes. */
async function makeAnew({ access, audit }: KeyPorts, name: string): Promise<IssuedKey> {
  const id = await audit.begin({ ...BY_ITSELF, body: JSON.stringify({ name, role: 'admin' }) });
  const inForce = access.list().some((each) => each.name === name && each.revokedAt === undefined);
  if (inForce) await access.revoke(name);
  const made = await access.create({ name, role: 'admin', by: 'hub' });
  await audit.end(id, 201);
  return made;
}

/** For the terminal of whoever starts the hub. */
export function announcement({ key, credentials }: IssuedKey, hub: { url: string; caSha256: string }): string {
  const login = hub.url.startsWith('https:') ? ` --ca-sha256 ${hub.caSha256}` : '';
  return [
    `The first admin key of this hub, shown only now; good until it is revoked (weir api-key revoke ${FIRST_ADMIN}).`,
    'Commands on this machine do without it; elsewhere:',
    `  weir login ${hub.url} --key ${key}${login}`,
    'The same key for clients of the AWS IoT Data Plane:',
    `  access key id      ${credentials.accessKeyId}`,
    `  secret access key  ${credentials.secretAccessKey}`,
    '',
  ].join('\n');
}
