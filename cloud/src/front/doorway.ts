/**
 * Who is let as far as the TLS handshake, which is what costs, and how often a device may come.
 *
 *     socket -> enter: total, address, rate -> handshake, CONNECT -> comes: rate of the device -> identified -> left
 *
 * Five hundred devices of one site come from one address, all at once when their power or their hub comes back: that must
 * pass. What goes on after it is held to a rate. Whoever comes too fast is refused for as long as it does, and no longer:
 * nobody is locked out, so that one device that fails again and again takes nothing from its neighbours but its own tries.
 */
export interface DoorLimits {
  /** Sockets, of whatever state. */
  connectionsMax: number;
  /** Of one address. */
  addressConnectionsMax: number;
  /** That have not said yet who they are. */
  pendingMax: number;
  addressPendingMax: number;
  /** Of one address: so many at once … */
  addressConnectsBurst: number;
  /** … and then a second. */
  addressConnectsPerS: number;
  /** Of one device, by its certificate. */
  deviceConnectsBurst: number;
  deviceConnectsPerS: number;
}

export type DoorFault = 'connections_over_limit' | 'connects_over_rate';

/** Addresses and devices whose rates are remembered; of more, those that were quiet longest are forgotten. */
const REMEMBERED_MAX = 20_000;

interface Held {
  sockets: number;
  pending: number;
}

export class Doorway {
  readonly #limits: DoorLimits;
  readonly #addresses = new Map<string, Held>();
  readonly #addressRates: Buckets;
  readonly #deviceRates: Buckets;
  #sockets = 0;
  #pending = 0;

  constructor(limits: DoorLimits) {
    this.#limits = limits;
    this.#addressRates = new Buckets(limits.addressConnectsBurst, limits.addressConnectsPerS);
    this.#deviceRates = new Buckets(limits.deviceConnectsBurst, limits.deviceConnectsPerS);
  }

  get pending(): number {
    return this.#pending;
  }

  /** @returns why it is not let in; undefined: it is, and {@link left} must be told when it is gone */
  enter(address: string, now: number): DoorFault | undefined {
    const from = neighbourhood(address);
    const held = this.#addresses.get(from) ?? { sockets: 0, pending: 0 };
    const { connectionsMax, addressConnectionsMax, pendingMax, addressPendingMax } = this.#limits;
    if (
      this.#sockets >= connectionsMax ||
      held.sockets >= addressConnectionsMax ||
      this.#pending >= pendingMax ||
      held.pending >= addressPendingMax
    ) {
      return 'connections_over_limit';
    }
    if (!this.#addressRates.take(from, now)) return 'connects_over_rate';
    this.#count(from, held, 1, 1);
    return undefined;
  }

  /** @returns false: it comes too often */
  comes(device: string, now: number): boolean {
    return this.#deviceRates.take(device, now);
  }

  /** It has said who it is. */
  identified(address: string): void {
    const from = neighbourhood(address);
    this.#count(from, this.#addresses.get(from)!, 0, -1);
  }

  left(address: string, wasPending: boolean): void {
    const from = neighbourhood(address);
    this.#count(from, this.#addresses.get(from)!, -1, wasPending ? -1 : 0);
  }

  #count(from: string, held: Held, sockets: number, pending: number): void {
    held.sockets += sockets;
    held.pending += pending;
    this.#sockets += sockets;
    this.#pending += pending;
    if (held.sockets > 0) this.#addresses.set(from, held);
    else this.#addresses.delete(from);
  }
}

/** An address; of IPv6 the network, of which its owner has all addresses. */
function neighbourhood(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...back].slice(0, 4).join(':');
}

/** A token bucket for each name. */
class Buckets {
  readonly #burst: number;
  readonly #perS: number;
  /** In order of last use. */
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(burst: number, perS: number) {
    this.#burst = burst;
    this.#perS = perS;
  }

  take(name: string, now: number): boolean {
    const { left, at } = this.#buckets.get(name) ?? { left: this.#burst, at: now };
    // A clock that was set back gives nothing, and takes nothing.
    const filled = Math.min(this.#burst, left + (Math.max(0, now - at) * this.#perS) / 1_000);
    const isLeft = filled >= 1;
    this.#buckets.delete(name);
    this.#buckets.set(name, { left: isLeft ? filled - 1 : filled, at: now });
    if (this.#buckets.size > REMEMBERED_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    return isLeft;
  }
}
