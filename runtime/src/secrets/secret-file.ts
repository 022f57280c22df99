/** Files that only their owner may read, replaced as a whole: keys, passwords, and what goes with them. */
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../errors.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * Makes the folder for its owner alone, also when it exists already.
 *
 * @throws {UsageError} `data-unwritable`
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  await makeFolder(folder);
  await chmod(folder, FOLDER_MODE);
}

/**
 * Makes the folder where there is none. What a worn card has turned read-only is found here, not by a database.
 *
 * @throws {UsageError} `data-unwritable`
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    // Nothing less than a write tells: a file system that has given up is not always marked as read-only.
    const probe = join(folder, '.writable');
    await (await open(probe, 'w', FILE_MODE)).close();
    await rm(probe, { force: true });
  } catch (cause) {
    // A full disk has room again some time, and what is there already can be worked with.
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') return;
    const why = UNWRITABLE[(cause as NodeJS.ErrnoException).code ?? ''];
    if (why === undefined) throw cause;
    const remedy = 'mount it for writing, or choose another folder by --data';
    throw new UsageError('data-unwritable', `${folder} cannot be written: ${why}`, remedy, { cause });
  }
}

const UNWRITABLE: Record<string, string> = {
  EROFS: 'its file system is read-only, as the system makes one on which it has found errors',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
};

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
  await syncFolder(folder);
}

/** Gone for good when it resolves, if it was there. */
export async function removeSecretFile(file: string): Promise<void> {
  await rm(file, { force: true });
  await syncFolder(dirname(file));
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

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

/** On the disk when it resolves; a crash before may leave a part of it. For its owner alone. */
export async function writeDurably(file: string, text: string): Promise<void> {
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
