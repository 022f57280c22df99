/** The processes in which an agent or a hub runs functions. */
import { readFileSync } from 'node:fs';

/** By which such a process can be told from others that they start. */
const SANDBOX_ARGUMENT = '--input-type=module';

/** @returns process ids; none where there is no /proc */
export function sandboxesOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children
      .split(' ')
      .filter((child) => child !== '' && readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(SANDBOX_ARGUMENT))
      .map(Number);
  } catch {
    // One of them is gone since the list was read.
    return [];
  }
}
