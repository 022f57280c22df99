import type { TLSSocket } from 'node:tls';
import { standingOf } from '../fleet/certificates.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Peer } from '../identity/peer.ts';

/**
 * Connections on which a device has shown its certificate. Each request looks at it anyhow; what is under way when the
 * certificate ends, the fetching of a bundle over a slow line, say, ends with it.
 */
export class KnownSockets {
  readonly #fleet: Pick<Fleet, 'device'>;
  readonly #now: () => number;
  readonly #peers = new Map<TLSSocket, Peer>();

  constructor(fleet: Pick<Fleet, 'device'>, now: () => number) {
    this.#fleet = fleet;
    this.#now = now;
  }

  note(socket: TLSSocket, peer: Peer): void {
    if (socket.destroyed) return;
    if (!this.#peers.has(socket)) socket.once('close', () => this.#peers.delete(socket));
    this.#peers.set(socket, peer);
  }

  /** Which certificates speak for the device has changed. */
  async recheck(device: string): Promise<void> {
    const theirs = [...this.#peers].filter(([, peer]) => peer.device === device);
    if (theirs.length === 0) return;
    // If in doubt they end: a device that may come comes back.
    const record = await this.#fleet.device(device).catch(() => undefined);
    for (const [socket, { serial }] of theirs) {
      if (standingOf(record, serial, this.#now()) === undefined) socket.destroy();
    }
  }
}
