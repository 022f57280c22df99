/** Disks of our own that a scenario may fill or let die. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILLER = 'somebody-elses.log';
const CHUNK = new Uint8Array(64 * 1024);

/** Only root mounts, and not in every container. @returns why not; undefined: it can */
export function mountingUnavailable(): string | undefined {
  if (process.platform !== 'linux') return 'disks of its own are mounted on Linux only';
  if (process.getuid?.() !== 0) return 'only root may mount a disk';
  try {
    const disk = SmallDisk.tmpfs(1);
    disk.remove();
    return undefined;
  } catch (error) {
    return `no disk can be mounted here: ${(error as Error).message.split('\n')[0]}`;
  }
}

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  #folder: string;
  #image: string | undefined;

  private constructor(mount: (path: string, image: string) => void, hasImage: boolean) {
    this.#folder = mkdtempSync(join(tmpdir(), 'weir-disk-'));
    this.path = join(this.#folder, 'mounted');
    const image = join(this.#folder, 'image');
    this.#image = hasImage ? image : undefined;
    mkdirSync(this.path);
    try {
      mount(this.path, image);
    } catch (error) {
      rmSync(this.#folder, { recursive: true });
      throw error;
    }
  }

  static tmpfs(mib: number): SmallDisk {
    return new SmallDisk((path) => command('mount', '-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path), false);
  }

  /** In a file, so that it can be given up by its file system as that of a worn card is. */
  static ext4(mib: number): SmallDisk {
    return new SmallDisk((path, image) => {
      const file = openSync(image, 'w');
      ftruncateSync(file, mib * 1024 * 1024);
      closeSync(file);
      command('mkfs.ext4', '-q', '-F', image);
      command('mount', '-o', 'loop', image, path);
    }, true);
  }

  /** A file of somebody else takes all that is left. */
  fill(): void {
    const file = openSync(join(this.path, FILLER), 'a');
    for (let length = CHUNK.length; length > 0; ) {
      try {
        writeSync(file, CHUNK, 0, length);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        length = length >> 1;
      }
    }
    closeSync(file);
  }

  free(): void {
    rmSync(join(this.path, FILLER), { force: true });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** The file system finds an error and lets nobody write any more. @see ext4(5), "abort" */
  die(): void {
    command('mount', '-o', 'remount,abort', this.path);
  }

  /** As a restart of the machine does; nobody has a file of it open. */
  mountAgain(): void {
    command('umount', this.path);
    command('e2fsck', '-p', '-f', this.#image!);
    command('mount', '-o', 'loop', this.#image!, this.path);
  }

  remove(): void {
    // A process that was killed may hold a file for a moment still.
    command('umount', '-l', this.path);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** e2fsck tells by this that it has mended something. */
const E2FSCK_MENDED = 1;

function command(name: string, ...args: string[]): void {
  try {
    execFileSync(name, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const { status, stderr } = error as { status: number; stderr: Buffer };
    if (name === 'e2fsck' && status === E2FSCK_MENDED) return;
    throw new Error(`${name} ${args.join(' ')}: ${String(stderr).trim() || (error as Error).message}`);
  }
}
