/**
 * Input that functions could not take, over the whole fleet: to be looked at, run again, or removed.
 *
 *     device   report `dead-letter` ----> worker --> store <-- list, show
 *     hub      a step that failed ------>    ^
 *                                            |  ask: noted, and the worker of the device told
 *     operator  replay, remove --------------+--> a function in the hub: the worker runs it, in the write that ends the letter
 *                                            +--> a function on a device: a command; the device runs it, and says so
 */
import { COMMAND_EXPIRY_MS_MAX, type Report } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import type { Commands } from '../commands/commands.ts';
import type { PageOf } from '../fleet/fleet.ts';
import type { Item, Store } from '../store/store.ts';
import type { ReportHandler } from '../workers/reports.ts';
import { ASK_TABLE, type Ask, askKey, fromItem, type HubLetter, LETTER_TABLE, letterKey } from './dead-letter.ts';
import { orderOfInput, readAccount } from './device-letters.ts';

export interface LettersQuery {
  function?: string;
  device?: string;
  limit: number;
  /** `next` of the page before. */
  after?: string;
}

/** A letter, and what somebody has asked for and was not done yet. */
export interface AskedLetter {
  letter: HubLetter;
  ask: Ask | undefined;
}

export interface DeadLetters {
  /** Newest first. */
  list(query: LettersQuery): Promise<PageOf<AskedLetter>>;
  /** @throws {UsageError} `dead-letter-unknown` */
  get(id: string): Promise<AskedLetter>;
  /**
   * Notes what is wanted; it is done by the worker or the device, those of one device in the order in which their input
   * came. One that is asked about already is asked about anew.
   * @throws {UsageError} `dead-letter-unknown`, and what making a command throws
   */
  ask(what: Ask['what'], ids: readonly string[]): Promise<AskedLetter[]>;
  /** How many of a device there are, and how many are gone at a limit. */
  countOf(device: string): Promise<{ waiting: number; dropped: number }>;
}

export interface DeadLettersPorts {
  store: Store;
  commands: Pick<Commands, 'make'>;
  /** The worker of the device is to look at what is asked for. */
  nudge(device: string): void;
  now: () => number;
}

const COMMANDS = { replay: 'weir.replay-dead-letters', remove: 'weir.remove-dead-letters' } as const;
/** Read at once of each function, when letters of all functions are put in order. */
const PAGE = 20;

export function createDeadLetters(ports: DeadLettersPorts): DeadLetters {
  return new StoredLetters(ports);
}

/** What devices say of their letters, in the order in which they say it: all three types are for this one. */
export const lettersReported: ReportHandler<Extract<Report, { type: `dead-letter${string}` }>> = async (
  reports,
  { letters, now },
) => {
  for (const report of reports) {
    if (report.type === 'dead-letter') await letters.told(report);
    else if (report.type === 'dead-letter-gone') await letters.gone(report.id, report.reason);
    else await letters.kept(report.id, report.detail, now);
  }
  return { changes: [] };
};

class StoredLetters implements DeadLetters {
  readonly #ports: DeadLettersPorts;

  constructor(ports: DeadLettersPorts) {
    this.#ports = ports;
  }

  async list(query: LettersQuery): Promise<PageOf<AskedLetter>> {
    const found: AskedLetter[] = [];
    const letters = query.device === undefined ? this.#ofFleet(query) : this.#ofDevice(query.device, query);
    for await (const letter of letters) {
      if (found.length === query.limit) return { items: found, next: found.at(-1)!.letter.id };
      found.push(await this.#withAsk(letter));
    }
    return { items: found };
  }

  async get(id: string): Promise<AskedLetter> {
    for await (const fn of this.#functions()) {
      const item = await this.#ports.store.get(letterKey(fn, id));
      if (item !== undefined) return this.#withAsk(fromItem(item));
    }
    throw new UsageError(
      'dead-letter-unknown',
      `there is no dead letter "${id}"; it may have been run again meanwhile`,
      'see which there are: weir fn dead-letters list',
    );
  }

  async ask(what: Ask['what'], ids: readonly string[]): Promise<AskedLetter[]> {
    const letters: HubLetter[] = [];
    for (const id of new Set(ids)) letters.push((await this.get(id)).letter);
    const at = this.#ports.now();
    const asked = letters.map((letter) => ({
      letter,
      ask: { what, function: letter.function, at, expiresAt: at + COMMAND_EXPIRY_MS_MAX },
    }));
    for (const [device, some] of Map.groupBy(asked, ({ letter }) => letter.device))
      await this.#askDevice(what, device, some);
    return asked;
  }

  async countOf(device: string): Promise<{ waiting: number; dropped: number }> {
    const { rows, dropped } = await readAccount(this.#ports.store, device);
    return { waiting: rows.length, dropped };
  }

  async #askDevice(
    what: Ask['what'],
    device: string,
    asked: readonly { letter: HubLetter; ask: Ask }[],
  ): Promise<void> {
    const { store, commands, nudge } = this.#ports;
    await store.write(asked.map(({ letter, ask }) => ({ put: askKey(device, letter.id), json: ask })));
    const onDevice = asked.filter(({ letter }) => letter.where === 'edge').map(({ letter }) => letter);
    if (onDevice.length > 0) {
      const inOrder = onDevice.toSorted(await orderOfInput(store, device));
      const payload = { ids: inOrder.map(({ name }) => name) };
      try {
        await commands.make(device, { name: COMMANDS[what], payload, expiryMs: COMMAND_EXPIRY_MS_MAX });
      } catch (error) {
        await store.write(onDevice.map(({ id }) => ({ remove: askKey(device, id) })));
        throw error;
      }
    }
    nudge(device);
  }

  async *#ofDevice(device: string, { function: fn, after }: LettersQuery): AsyncGenerator<HubLetter> {
    const { rows } = await readAccount(this.#ports.store, device);
    const wanted = rows.filter(
      (row) => (fn ?? row.function) === row.function && (after === undefined || row.id < after),
    );
    for (const row of wanted.sort((a, b) => (a.id < b.id ? 1 : -1))) {
      const item = await this.#ports.store.get(letterKey(row.function, row.id));
      if (item !== undefined) yield fromItem(item);
    }
  }

  /** The newest of all functions, then the next. */
  async *#ofFleet({ function: fn, after }: LettersQuery): AsyncGenerator<HubLetter> {
    const sources: { next: Item; rest: AsyncGenerator<Item> }[] = [];
    for await (const name of fn === undefined ? this.#functions() : [fn]) {
      const rest = this.#ofFunction(name, after);
      const first = await rest.next();
      if (!first.done) sources.push({ next: first.value, rest });
    }
    while (sources.length > 0) {
      const newest = sources.reduce((a, b) => (a.next.sort > b.next.sort ? a : b));
      yield fromItem(newest.next);
      const following = await newest.rest.next();
      if (following.done) sources.splice(sources.indexOf(newest), 1);
      else newest.next = following.value;
    }
  }

  async *#ofFunction(fn: string, after: string | undefined): AsyncGenerator<Item> {
    let before = after;
    for (;;) {
      const query = { table: LETTER_TABLE, partition: fn, reverse: true, limit: PAGE };
      const { items, next } = await this.#ports.store.query(before === undefined ? query : { ...query, to: before });
      yield* items;
      if (next === undefined) return;
      before = next;
    }
  }

  async *#functions(): AsyncGenerator<string> {
    let after: string | undefined;
    do {
      const page = await this.#ports.store.partitions(LETTER_TABLE, after === undefined ? {} : { after });
      yield* page.names;
      after = page.next;
    } while (after !== undefined);
  }

  async #withAsk(letter: HubLetter): Promise<AskedLetter> {
    const ask = (await this.#ports.store.get(askKey(letter.device, letter.id)))?.json as Ask | undefined;
    return { letter, ask: ask !== undefined && ask.expiresAt > this.#ports.now() ? ask : undefined };
  }
}

/** What is asked about letters of a device. */
export async function asksOf(store: Store, device: string): Promise<{ id: string; ask: Ask }[]> {
  const asks: { id: string; ask: Ask }[] = [];
  let after: string | undefined;
  do {
    const query = { table: ASK_TABLE, partition: device };
    const page = await store.query(after === undefined ? query : { ...query, after });
    asks.push(...page.items.map(({ sort, json }) => ({ id: sort, ask: json as Ask })));
    after = page.next;
  } while (after !== undefined);
  return asks;
}
