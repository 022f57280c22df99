/** When what a device tells of itself is a trouble: device and hub say the same. */

const MIB = 1024 * 1024;
/** A database, its log and all else on the machine need room. */
const DISK_SHARE_MIN = 0.05;
/** Of a large disk less than a twentieth will do, … */
const DISK_BYTES_ENOUGH = 1024 * MIB;
/** … and a small one must have so much. */
const DISK_BYTES_MIN = 64 * MIB;
/** Below it the system begins to end processes. */
const MEMORY_SHARE_MIN = 0.05;

export function isDiskLow({ free, total }: { free: number; total: number }): boolean {
  return free < Math.max(DISK_BYTES_MIN, Math.min(DISK_BYTES_ENOUGH, total * DISK_SHARE_MIN));
}

export function isMemoryLow({ free, total }: { free: number; total: number }): boolean {
  return free < total * MEMORY_SHARE_MIN;
}
