import { randomBytes } from 'node:crypto';
import { readIfThere, writeSecretFile } from '@weir/runtime';

const PASSWORD_BYTES = 18;

/** The secret in the file, made at the first call. */
export async function secretIn(path: string): Promise<string> {
  const known = (await readIfThere(path))?.trim();
  if (known) return known;
  const made = randomBytes(PASSWORD_BYTES).toString('base64url');
  await writeSecretFile(path, `${made}\n`);
  return made;
}
