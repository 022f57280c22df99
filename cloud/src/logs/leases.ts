/**
 * Asks devices to tell what their functions log, for as long as anybody follows them: by the command `weir.logs`,
 * which a device forgets by itself after a while.
 */
import { LOG_LEASE_MS_MAX, type LogLease } from '@weir/protocols';
import type { HubEvents } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { Commands } from '../commands/commands.ts';
import type { Fleet, Presence } from '../fleet/fleet.ts';
import type { Logger } from '../logger.ts';

export interface LeasesPorts {
  commands: Pick<Commands, 'make'>;
  fleet: Pick<Fleet, 'device'>;
  events: Pick<HubEvents, 'on'>;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  logger: Logger;
}

/** How it is with a device that is followed. */
export type Following =
  /** It was asked. */
  | { state: 'asked' }
  /** All lines that it had kept are here. */
  | { state: 'told' }
  | { state: 'offline'; since?: number }
  | { state: 'failed'; detail: string };

interface Follower {
  function: string | undefined;
  listener: (following: Following) => void;
}

interface Followed {
  followers: Set<Follower>;
  /** Of the command that was sent last. */
  lease: string;
  ends: AbortController;
}

const RENEW_MS = LOG_LEASE_MS_MAX / 2;
/** A device that is there answers at once. */
const EXPIRY_MS = 30_000;
const ID_BYTES = 8;

export class LogLeases {
  readonly #ports: LeasesPorts;
  readonly #devices = new Map<string, Followed>();
  readonly #end: () => void;

  constructor(ports: LeasesPorts) {
    this.#ports = ports;
    this.#end = ports.events.on((event) => {
      if (event.type === 'presence') this.#onPresence(event.device, event.connected, event.at);
    });
  }

  /** @param fn undefined: all functions of the device. @returns ends it */
  follow(device: string, fn: string | undefined, listener: Follower['listener']): () => void {
    const follower: Follower = { function: fn, listener };
    const followed = this.#devices.get(device) ?? { followers: new Set(), lease: '', ends: new AbortController() };
    this.#devices.set(device, followed);
    followed.followers.add(follower);
    void this.#hold(device, followed);
    return () => {
      followed.followers.delete(follower);
      if (followed.followers.size > 0) return;
      followed.ends.abort();
      if (!this.#devices.delete(device)) return;
      void this.#ask(device, followed, { for: 0, kept: false });
    };
  }

  /** The device has told all that it had kept. */
  told(device: string, lease: string): void {
    const followed = this.#devices.get(device);
    if (followed?.lease === lease) tell(followed, { state: 'told' });
  }

  stop(): void {
    this.#end();
    for (const { ends } of this.#devices.values()) ends.abort();
    this.#devices.clear();
  }

  /** Asks at once, and again before the device forgets. */
  async #hold(device: string, followed: Followed): Promise<void> {
    followed.ends.abort();
    followed.ends = new AbortController();
    const { signal } = followed.ends;
    for (let kept = true; !signal.aborted; kept = false) {
      const presence = await this.#presenceOf(device);
      if (signal.aborted) return;
      if (presence?.connected) await this.#ask(device, followed, { for: LOG_LEASE_MS_MAX, kept });
      else tell(followed, { state: 'offline', ...(presence !== undefined && { since: presence.since }) });
      await this.#ports.clock.sleep(RENEW_MS, signal);
    }
  }

  async #ask(device: string, followed: Followed, { for: spanMs, kept }: Pick<LogLease, 'for' | 'kept'>): Promise<void> {
    const names = [...followed.followers].map((each) => each.function);
    const functions = names.filter((name) => name !== undefined);
    const isAll = functions.length < names.length;
    followed.lease = Buffer.from(this.#ports.random(ID_BYTES)).toString('hex');
    const lease: LogLease = {
      lease: followed.lease,
      for: spanMs,
      kept,
      ...(!isAll && { functions: [...new Set(functions)] }),
    };
    try {
      await this.#ports.commands.make(device, { name: 'weir.logs', payload: lease, expiryMs: EXPIRY_MS });
      tell(followed, { state: 'asked' });
    } catch (error) {
      tell(followed, { state: 'failed', detail: (error as Error).message });
    }
  }

  async #presenceOf(device: string): Promise<Presence | undefined> {
    try {
      return (await this.#ports.fleet.device(device))?.presence;
    } catch (error) {
      this.#ports.logger.warn({ device, error: (error as Error).message }, 'whether a device is there cannot be read');
      return undefined;
    }
  }

  /** An agent that comes back may be another run, which knows of no lease. */
  #onPresence(device: string, connected: boolean, at: number): void {
    const followed = this.#devices.get(device);
    if (followed === undefined) return;
    if (connected) void this.#hold(device, followed);
    else tell(followed, { state: 'offline', since: at });
  }
}

function tell({ followers }: Followed, following: Following): void {
  for (const { listener } of followers) listener(following);
}
