/**
 * Notices devices that flap: whose connection is taken over by another one of theirs, again and again. A card that was
 * copied into a second gateway does that, for both have the same certificate; so does a line that is lost without a word.
 *
 *     takeover ... takeover          5 within 5 min: flapping         10 min without one: over
 */
export interface Flapping {
  /** The first of the takeovers, ms since epoch. */
  since: number;
  takeovers: number;
  /** Addresses from which the device came last: two that take turns are two machines. */
  addresses: string[];
}

const WINDOW_MS = 5 * 60_000;
/** A line that is lost is found again once or twice in that time. */
const TAKEOVERS = 5;
const OVER_MS = 10 * 60_000;
const ADDRESSES_MAX = 4;
/** Remembered; of more the one that was quiet longest is forgotten. */
const DEVICES_MAX = 10_000;

interface Watched {
  /** The last few, oldest first. */
  times: number[];
  /** The last one last. */
  addresses: string[];
  flapping?: { since: number; takeovers: number };
}

export class Takeovers {
  /** In the order of their last takeover. */
  readonly #devices = new Map<string, Watched>();

  /** @param addresses of the connection that ends and of the one that follows. @returns when the device begins to flap */
  note(device: string, addresses: readonly [string, string], now: number): Flapping | undefined {
    const before = this.#current(device, now) ?? { times: [], addresses: [] };
    const times = [...before.times.filter((at) => now - at < WINDOW_MS), now].slice(-TAKEOVERS);
    const seen = [...before.addresses.filter((each) => !addresses.includes(each)), ...new Set(addresses)];
    const watched: Watched = { times, addresses: seen.slice(-ADDRESSES_MAX) };
    if (before.flapping !== undefined) {
      watched.flapping = { ...before.flapping, takeovers: before.flapping.takeovers + 1 };
    } else if (times.length === TAKEOVERS) watched.flapping = { since: times[0]!, takeovers: TAKEOVERS };
    this.#devices.delete(device);
    this.#devices.set(device, watched);
    if (this.#devices.size > DEVICES_MAX) this.#devices.delete(this.#devices.keys().next().value!);
    return before.flapping === undefined ? this.of(device, now) : undefined;
  }

  of(device: string, now: number): Flapping | undefined {
    const watched = this.#current(device, now);
    return watched?.flapping && { ...watched.flapping, addresses: [...watched.addresses] };
  }

  #current(device: string, now: number): Watched | undefined {
    const watched = this.#devices.get(device);
    return watched !== undefined && now - watched.times.at(-1)! < OVER_MS ? watched : undefined;
  }
}
