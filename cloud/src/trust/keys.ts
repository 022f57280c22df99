/**
 * Where the hub keeps what it knows of trust.
 *
 *     table      partition   sort
 *     root       all         <version, ten digits>    each root file there ever was: its envelope
 *     bundle     <sha256>    release                  what its author said of it
 *     release    <name>      top                      the highest release of a name, and the highest floor
 *     release    <name>      at/<release>             each release of it
 *     statement  <device>    last                     what the device is told to run, and the number of that
 */
import type { ItemKey } from '../store/store.ts';

const VERSION_DIGITS = 10;
const RELEASE_DIGITS = 16;

export const ROOTS = { table: 'root', partition: 'all' } as const;
export const rootKey = (version: number): ItemKey => ({ ...ROOTS, sort: padded(version, VERSION_DIGITS) });

export const bundleReleaseKey = (hash: string): ItemKey => ({ table: 'bundle', partition: hash, sort: 'release' });
export const topKey = (name: string): ItemKey => ({ table: 'release', partition: name, sort: 'top' });
export const releaseKey = (name: string, release: number): ItemKey => ({
  table: 'release',
  partition: name,
  sort: `at/${padded(release, RELEASE_DIGITS)}`,
});

export const statementKey = (device: string): ItemKey => ({ table: 'statement', partition: device, sort: 'last' });

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, '0');
}
