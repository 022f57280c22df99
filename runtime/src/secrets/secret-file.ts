/** Files that only their owner may read, replaced as a whole: keys, passwords, and what goes with them. */
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Makes the folder for its owner alone, also when it exists already. */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await chmod(folder, FOLDER_MODE);
}

/**
 * The old content or the new one, whatever happens; durable when it resolves. A folder that is not there is made.
 * No two may write one file at once.
 */
export async function writeSecretFile(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  // The name is always the same, so that what a crash leaves is no more than one file.
  const aside = `${file}.new`;
  try {
    await writeDurably(aside, text);
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

/** @returns undefined when there is no such file */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', FILE_MODE);
  try {
    // One that a crash has left may have been for others, too.
    await handle.chmod(FILE_MODE);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
