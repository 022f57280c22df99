/**
 * Room for bundles: what runs, what can be gone back to, what runs beside and what is wanted; nothing else is kept. One
 * for which there is no room is refused before it is fetched, and what runs goes on. It is tried again like one that
 * could not be fetched.
 */
import { SqliteError } from '@weir/runtime';
import type { Spool } from '../spool/spool.ts';
import type { MachineState } from '../status/machine.ts';

export interface RoomPorts {
  spool: Spool;
  /** Undefined: the disk cannot be asked. */
  machine?: (() => Promise<Pick<MachineState, 'disk'>>) | undefined;
}

export interface RoomLimits {
  /** Of all bundles together. */
  bundlesBytesMax: number;
  /** Of the disk, to be left free: readings come first. */
  diskFreeMin: number;
}

const CODE = 'disk-critical';

export class Room {
  readonly #ports: RoomPorts;
  readonly #limits: RoomLimits;

  constructor(ports: RoomPorts, limits: RoomLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** Forgets what nobody needs. @param hashes that are wanted, whether they are here or not */
  async clear(hashes: readonly string[]): Promise<void> {
    await this.#ports.spool.call('forgetBundles', hashes);
  }

  /** @throws when there is no room for it; its message says so */
  async check({ hash, bytes }: { hash: string; bytes: number }): Promise<void> {
    const { spool, machine } = this.#ports;
    const { isHere, othersBytes } = await spool.call('bundleRoom', hash);
    if (isHere) return;
    const { bundlesBytesMax, diskFreeMin } = this.#limits;
    if (othersBytes + bytes > bundlesBytesMax) {
      const used = `${othersBytes} of ${bundlesBytesMax} bytes are in use`;
      throw new Error(`${CODE}: no room for a bundle of ${bytes} bytes: ${used} (deploy.bundlesBytesMax)`);
    }
    const { free } = (await machine?.())?.disk ?? { free: Number.POSITIVE_INFINITY };
    if (free - bytes >= diskFreeMin) return;
    throw new Error(
      `${CODE}: no room for a bundle of ${bytes} bytes: the disk has ${free} left, of which ${diskFreeMin} are for readings`,
    );
  }

  /** What went wrong when it was fetched and kept, for a person. */
  reasonOf(error: Error): string {
    const isFull = error instanceof SqliteError && error.code === 'full';
    return isFull ? `${CODE}: ${error.message}` : error.message;
  }
}
