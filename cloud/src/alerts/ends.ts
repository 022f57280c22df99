/**
 * Tells whoever raised an episode that a person ended it.
 *
 *     table       partition   sort
 *     alert-end   <device>    edge/<episode>     a device is to hear of it, by a command
 *                             cloud/<episode>    a worker is to hear of it: `workers/alert-ends.ts`
 *                             gone               the device was removed: `workers/gone-devices.ts`
 *
 * The item is written with the end, and goes when it is known that it was heard: of a device, with the end that it says itself, or with
 * its answer. A command expires; a device that is away for longer hears of it when it is back.
 */
import { COMMAND_EXPIRY_MS_MAX } from '@weir/protocols';
import { eventPosition, UsageError } from '@weir/runtime';
import type { Origin } from '../api/events.ts';
import type { Commands } from '../commands/commands.ts';
import { itemsOf, prefixRange } from '../fleet/keys.ts';
import type { Logger } from '../logger.ts';
import type { Change, Item, ItemKey, Store } from '../store/store.ts';
import type { EpisodeSummary } from './episode.ts';

export const END_TABLE = 'alert-end';

const endKey = (device: string, origin: Origin, episode: string): ItemKey => ({
  ...{ table: END_TABLE, partition: device, sort: `${origin}/${episode}` },
});

export const goneKey = (device: string): ItemKey => ({ table: END_TABLE, partition: device, sort: 'gone' });

interface ToHear {
  at: number;
  /** That the device was sent last. */
  command?: { id: string; expiresAt: number };
}

type Whose = Pick<EpisodeSummary, 'device' | 'origin' | 'episode'>;

/** To be committed with the end of the episode. */
export function toldChange({ device, origin, episode }: Whose, at: number): Change {
  const json: ToHear = { at };
  return { put: endKey(device, origin, episode), json };
}

export function heardChange({ device, origin, episode }: Whose): Change {
  return { remove: endKey(device, origin, episode) };
}

/** Episodes of the hub's own rules and functions that a worker is to end for a device. */
export async function endsInCloud(store: Store, device: string): Promise<{ episode: string; position: string }[]> {
  const ends: { episode: string; position: string }[] = [];
  for await (const { sort } of itemsOf(store, { table: END_TABLE, partition: device, ...prefixRange('cloud/') })) {
    const episode = sort.slice('cloud/'.length);
    ends.push({ episode, position: eventPosition('end', episode) });
  }
  return ends;
}

export interface EndsPorts {
  store: Store;
  commands: Pick<Commands, 'make' | 'get'>;
  /** The worker of the device is to look at what is to be ended. */
  nudge(device: string): void;
  now: () => number;
  logger: Logger;
}

const COMMAND = 'weir.end-alert';
/** As few devices wait for more, they are looked up one after the other. */
const PAGE = 200;

export class Ends {
  readonly #ports: EndsPorts;
  #busy: Promise<void> = Promise.resolve();

  constructor(ports: EndsPorts) {
    this.#ports = ports;
  }

  /** To be called when the end of an episode is committed. */
  committed({ device, origin }: Whose): void {
    if (origin === 'cloud') this.#ports.nudge(device);
    else this.resume(device);
  }

  /** A device is about to be removed: what it has open is over. Durable when it resolves. */
  async gone(device: string): Promise<void> {
    const { store, now, nudge } = this.#ports;
    await store.write([{ put: goneKey(device), json: { at: now() } }]);
    nudge(device);
  }

  /** Sends a device what it has not heard, e.g. because it is back. */
  resume(device: string): void {
    this.#then(() => this.#tell(device));
  }

  /** Goes on after a restart. */
  start(): void {
    this.#then(async () => {
      let after: string | undefined;
      do {
        const options = { limit: PAGE, ...(after !== undefined && { after }) };
        const page = await this.#ports.store.partitions(END_TABLE, options);
        for (const device of page.names) {
          this.#ports.nudge(device);
          await this.#tell(device);
        }
        after = page.next;
      } while (after !== undefined);
    });
  }

  /** When what was to be told until now has become a command. */
  stop(): Promise<void> {
    return this.#busy;
  }

  #then(action: () => Promise<void>): void {
    this.#busy = this.#busy.then(action).catch((error: Error) => {
      this.#ports.logger.error({ error: error.message }, 'a device could not be told that an alert was ended');
    });
  }

  async #tell(device: string): Promise<void> {
    const { store } = this.#ports;
    for await (const item of itemsOf(store, { table: END_TABLE, partition: device, ...prefixRange('edge/') })) {
      await this.#send(device, item);
    }
  }

  async #send(device: string, { table, partition, sort, json }: Item): Promise<void> {
    const { store, commands, now } = this.#ports;
    const key = { table, partition, sort };
    const toHear = json as ToHear;
    switch (await this.#stateOf(device, toHear)) {
      case 'waiting':
        return;
      case 'answered':
        return store.write([{ remove: key }]);
      case 'to-be-sent': {
        const payload = { episode: sort.slice('edge/'.length) };
        const made = await commands
          .make(device, { name: COMMAND, payload, expiryMs: COMMAND_EXPIRY_MS_MAX })
          .catch((error: unknown) => refusal(error));
        if (made === 'never') return store.write([{ remove: key }]);
        if (made === 'later') return;
        const command = { id: made.id, expiresAt: now() + COMMAND_EXPIRY_MS_MAX };
        await store.write([{ put: key, json: { ...toHear, command } satisfies ToHear }]);
      }
    }
  }

  async #stateOf(device: string, { command }: ToHear): Promise<'waiting' | 'answered' | 'to-be-sent'> {
    if (command === undefined) return 'to-be-sent';
    try {
      const { state } = await this.#ports.commands.get(device, command.id);
      if (state === 'waiting') return 'waiting';
      return state === 'expired' ? 'to-be-sent' : 'answered';
    } catch (error) {
      if (error instanceof UsageError) return 'to-be-sent';
      throw error;
    }
  }
}

/** A device that is gone never hears of it; one for which too much waits does when it is back. */
function refusal(error: unknown): 'never' | 'later' {
  if (!(error instanceof UsageError)) throw error;
  return error.code === 'limit-exceeded' ? 'later' : 'never';
}
