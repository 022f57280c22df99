/** The data folder: what lies under it, and who else may read it. */
import { constants } from 'node:fs';
import { access, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import { quickCheck } from '../spool/quick-check.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const MIB = 1024 * 1024;
/** Below it a step may not be committed. */
const FREE_BYTES_MIN = 64 * MIB;
/** @see statfs(2) */
const KINDS: Record<number, string> = {
  61267: 'ext4',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  4076150800: 'f2fs',
  2035054128: 'overlay',
  16914836: 'tmpfs',
  2240043254: 'ramfs',
  26985: 'nfs',
  4283649346: 'cifs',
  4266872130: 'smb',
};
const IN_MEMORY = ['tmpfs', 'ramfs'];
const OVER_NETWORK = ['nfs', 'cifs', 'smb'];

export async function checkStorage(data: string, config: Config): Promise<Finding[]> {
  const folder = await nearest(data);
  const writable = await checkWritable(folder, data);
  if (writable.level === 'fail') return [writable];
  return [writable, await checkSpace(folder, config), await checkDatabase(data)];
}

/** The folder itself, or where it would be made. */
async function nearest(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined || dirname(folder) === folder ? folder : nearest(dirname(folder));
}

async function checkWritable(folder: string, data: string): Promise<Finding> {
  const name = 'data folder';
  try {
    if (folder !== data) {
      await access(folder, constants.W_OK);
      return ok(name, `${data} will be made`);
    }
    const probe = join(data, `doctor.${process.pid}.tmp`);
    await writeFile(probe, 'x', { mode: 0o600 });
    await rm(probe);
    return ok(name, `${data} can be written`);
  } catch (error) {
    const remedy = `give the folder to the agent's user, or choose another by --data`;
    return fail(name, `${folder} cannot be written: ${(error as Error).message}`, remedy);
  }
}

async function checkSpace(folder: string, { outbox, journal }: Config): Promise<Finding> {
  const name = 'free space';
  const { type, bavail, bsize } = await statfs(folder);
  const kind = KINDS[type >>> 0] ?? `file system 0x${(type >>> 0).toString(16)}`;
  const free = bavail * bsize;
  const detail = `${Math.round(free / MIB)} MiB on ${kind}`;
  if (OVER_NETWORK.includes(kind)) {
    return fail(name, detail, 'SQLite cannot rely on locks over a network: put the data folder on a local disk');
  }
  if (free < FREE_BYTES_MIN) return fail(name, detail, 'make room: below 64 MiB nothing can be made durable');
  if (IN_MEMORY.includes(kind)) {
    return warn(name, detail, 'what is in memory is lost with the power: put the data folder on a disk');
  }
  const lanes = Object.values(outbox.lanes).reduce((sum, { bytesMax }) => sum + bytesMax, 0);
  const wanted = lanes + journal.bytesMax;
  if (free >= wanted) return ok(name, detail);
  const remedy = `the buffers may grow to ${Math.round(wanted / MIB)} MiB: make room, or lower outbox.bytesMax`;
  return warn(name, detail, remedy);
}

async function checkDatabase(data: string): Promise<Finding> {
  const name = 'database';
  const file = join(data, 'spool.db');
  if ((await stat(file).catch(() => undefined)) === undefined) return ok(name, 'none yet');
  const fault = quickCheck(file);
  if (fault === undefined) return ok(name, 'SQLite finds no fault in it');
  return fail(name, fault, `stop the agent and move ${file} aside; a new one is made, and what was not sent is lost`);
}

/** Whoever can read these can act as the device. */
export async function checkSecrets(data: string): Promise<Finding> {
  const name = 'secrets';
  const credentials = join(data, 'credentials');
  const names = await readdir(credentials).catch(() => [] as string[]);
  if (names.length === 0) return ok(name, 'none yet');
  const paths = [credentials, ...names.map((each) => join(credentials, each))];
  const modes = await Promise.all(paths.map(async (path) => ({ path, mode: (await stat(path)).mode & 0o777 })));
  const open = modes.filter(({ mode }) => (mode & 0o077) !== 0);
  if (open.length === 0) return ok(name, "readable by the agent's user alone");
  const detail = open.map(({ path, mode }) => `${path} has mode ${mode.toString(8)}`).join(', ');
  return fail(name, detail, `chmod go= ${open.map(({ path }) => path).join(' ')}`);
}
