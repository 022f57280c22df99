/** Files that only their owner may read, replaced as a whole. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** @returns undefined when there is no such file */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The old content or the new one, whatever happens: written aside, synced, renamed, and the folder synced. */
export async function writeSecret(path: string, content: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const aside = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(aside, 'w', FILE_MODE);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

const PASSWORD_BYTES = 18;

/** The secret in the file, made at the first call. */
export async function secretIn(path: string): Promise<string> {
  const known = (await readSecret(path))?.trim();
  if (known) return known;
  const made = randomBytes(PASSWORD_BYTES).toString('base64url');
  await writeSecret(path, `${made}\n`);
  return made;
}
