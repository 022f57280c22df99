/** The ballast of a simulated device, and a look at its disk. */
import type { StoragePorts } from '@weir/edge-agent';
import type { DiskFaults } from './database.ts';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';

type Ballast = StoragePorts['ballast'];

/** What the disk keeps of it from one run to the next. */
export interface BallastFile {
  bytes: number;
}

const PAGE_BYTES = 4_096;
/** To write or to delete a file, or to look at one, ms. */
const LOOK_MS = 1;
const PLENTY_BYTES = 2 ** 33;

export function simulatedBallast(
  { life, faults, file, dice }: { life: Life; faults: DiskFaults; file: BallastFile; dice: Dice },
  bytes: number,
): Ballast {
  const later = <T>(look: () => T): Promise<T> => life.waitFor((resolve) => life.later(LOOK_MS, () => resolve(look())));
  const hold = (held: number) => {
    file.bytes = held;
    faults.roomPages = Math.floor((bytes - held) / PAGE_BYTES);
  };
  return {
    size: () => later(() => file.bytes),
    release: () => later(() => hold(0)),
    make: () =>
      later(() => {
        const isMade = file.bytes === bytes || !(faults.isFull || dice.chance(faults.ioShare));
        hold(isMade ? bytes : 0);
        return isMade;
      }),
    probe: () =>
      later(() => {
        if (dice.chance(faults.ioShare)) return { writable: false, code: 'EIO', message: 'EIO: i/o error, write' };
        if (!faults.isFull) return { writable: true, freeBytes: PLENTY_BYTES };
        // One byte more may find room in a block that is there.
        if (file.bytes < bytes || dice.chance(0.5)) return { writable: true, freeBytes: 0 };
        return { writable: false, code: 'ENOSPC', message: 'ENOSPC: no space left on device, write' };
      }),
  };
}
