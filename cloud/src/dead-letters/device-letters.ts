/**
 * The letters of one device, within bounds: what a worker adds and takes out, to be committed with what caused it.
 *
 *     table `dead-letter-account`   partition <device>   sort `all`   json: { rows: [oldest, …], dropped }
 *
 * The account names every letter of the device, so that bounds are kept without reading letters.
 */
import { byteLength, type DeadLetterReport, type LetterEnd } from '@weir/protocols';
import type { DeadLetter } from '@weir/runtime';
import type { Origin } from '../api/events.ts';
import type { Change, ItemKey, Store } from '../store/store.ts';
import type { Keeper } from '../workers/effects.ts';
import { askKey, bodyOf, fromItem, type HubLetter, letterKey, ofFold, ofReport } from './dead-letter.ts';

interface Row {
  id: string;
  function: string;
  where: Origin;
  name: string;
  bytes: number;
}

interface Account {
  /** Oldest first. */
  rows: Row[];
  /** Gone at a limit. */
  dropped: number;
}

/** As many as a device keeps of each function, and in all. */
export const LETTERS_PER_FUNCTION_MAX = 200;
export const LETTERS_PER_DEVICE_MAX = 500;
const BYTES_PER_DEVICE_MAX = 16 * 1024 * 1024;
/** A batch of the wire has 131,072, and what other functions made of it comes on top. */
export const LETTER_BYTES_MAX = 200_000;
/** Letters of one step: a function that handles alerts may fail on each of a thousand. */
const LETTERS_PER_STEP_MAX = 8;
/** Taken out in one commit beyond those for which new ones come: a large letter may take the room of many. */
const EVICTIONS_BESIDE = 2;

export class DeviceLetters implements Keeper {
  readonly device: string;
  #store: Store;
  #account: Account | undefined;
  #dirty = new Map<string, Change>();
  /** Put by this commit. */
  #fresh = new Map<string, HubLetter>();
  /** Letters that this commit may take out to make room. */
  #evictionsLeft = EVICTIONS_BESIDE;

  constructor(device: string, store: Store) {
    this.device = device;
    this.#store = store;
  }

  get weight(): number {
    return this.#dirty.size;
  }

  /** What the device tells of a letter of its own: a new one, or one that failed again. */
  async told(report: DeadLetterReport): Promise<void> {
    await this.#put(ofReport(this.device, report));
  }

  async gone(name: string, reason: LetterEnd): Promise<void> {
    const account = await this.#load();
    if (reason === 'dropped') account.dropped++;
    for (const row of account.rows.filter((each) => each.where === 'edge' && each.name === name))
      this.#take(row, account);
  }

  async kept(name: string, detail: string, now: number): Promise<void> {
    const row = (await this.#load()).rows.find((each) => each.where === 'edge' && each.name === name);
    if (row !== undefined) await this.answer(row, detail, now);
  }

  /** Why it was not run again; it stays. */
  async answer({ id, function: fn }: Pick<HubLetter, 'id' | 'function'>, detail: string, now: number): Promise<void> {
    const letter = this.#fresh.get(id) ?? (await this.#stored(fn, id));
    if (letter !== undefined) await this.#put({ ...letter, answer: { at: now, detail } });
  }

  /** What a step in the hub could not take. @returns how many there was no room for */
  async add(letters: readonly DeadLetter[]): Promise<number> {
    const fitting = letters
      .map((letter) => ofFold(this.device, letter))
      .filter((letter) => sizeOf(letter) <= LETTER_BYTES_MAX);
    const kept = fitting.slice(-LETTERS_PER_STEP_MAX);
    for (const letter of kept) await this.#put(letter);
    const dropped = letters.length - kept.length;
    if (dropped > 0) this.#drop(await this.#load(), dropped);
    return dropped;
  }

  /** It failed again: it keeps its name and the time of its input. */
  async again(before: HubLetter, letter: DeadLetter): Promise<void> {
    const { id, name, at, replays } = before;
    await this.#put({ ...ofFold(this.device, letter), id, name, at, replays: replays + 1 });
  }

  async remove({ id }: Pick<HubLetter, 'id'>): Promise<void> {
    const account = await this.#load();
    for (const row of account.rows.filter((each) => each.id === id)) this.#take(row, account);
  }

  changes(): Change[] {
    return [...this.#dirty.values()];
  }

  committed(): void {
    this.#dirty.clear();
    this.#fresh.clear();
    this.#evictionsLeft = EVICTIONS_BESIDE;
  }

  /** Replaces the one of the same id, and ends what was asked about it. */
  async #put(letter: HubLetter): Promise<void> {
    const account = await this.#load();
    const { id, function: fn, where, name } = letter;
    const row: Row = { id, function: fn, where, name, bytes: sizeOf(letter) };
    const known = account.rows.findIndex((each) => each.id === id);
    if (known >= 0) {
      account.rows[known] = row;
      this.#change({ remove: askKey(this.device, id) });
    } else {
      account.rows.push(row);
      this.#evictionsLeft++;
    }
    this.#fresh.set(id, letter);
    this.#change({ put: letterKey(fn, id), ...bodyOf(letter) });
    this.#keepBounds(account, fn);
    this.#keepAccount(account);
  }

  #take(row: Row, account: Account): void {
    this.#takeOut(row, account);
    this.#change({ remove: askKey(this.device, row.id) });
  }

  #takeOut(row: Row, account: Account): void {
    account.rows.splice(account.rows.indexOf(row), 1);
    this.#change({ remove: letterKey(row.function, row.id) });
    this.#keepAccount(account);
  }

  /** Those that are too many and may not go yet go with the next letters. */
  #keepBounds(account: Account, fn: string): void {
    for (; this.#evictionsLeft > 0; this.#evictionsLeft--) {
      const oldest = oldestOver(account, fn);
      if (oldest === undefined) return;
      this.#takeOut(oldest, account);
      this.#drop(account, 1);
    }
  }

  #drop(account: Account, count: number): void {
    account.dropped += count;
    this.#keepAccount(account);
  }

  #keepAccount(account: Account): void {
    this.#change({ put: accountKey(this.device), json: account });
  }

  #change(change: Change): void {
    const { table, sort } = 'remove' in change ? change.remove : change.put;
    this.#dirty.set(`${table}/${sort}`, change);
  }

  async #stored(fn: string, id: string): Promise<HubLetter | undefined> {
    const item = await this.#store.get(letterKey(fn, id));
    return item && fromItem(item);
  }

  async #load(): Promise<Account> {
    this.#account ??= await readAccount(this.#store, this.device);
    return this.#account;
  }
}

function oldestOver({ rows }: Account, fn: string): Row | undefined {
  const own = rows.filter((each) => each.function === fn);
  if (own.length > LETTERS_PER_FUNCTION_MAX) return own[0];
  const bytes = rows.reduce((sum, each) => sum + each.bytes, 0);
  return rows.length > LETTERS_PER_DEVICE_MAX || bytes > BYTES_PER_DEVICE_MAX ? rows[0] : undefined;
}

/** Those of one device, as the worker keeps account of them. */
export async function readAccount(store: Store, device: string): Promise<Account> {
  const item = await store.get(accountKey(device));
  return (item?.json as Account | undefined) ?? { rows: [], dropped: 0 };
}

/** The order in which their input came; of one moment, that in which they were told. */
export async function orderOfInput(store: Store, device: string): Promise<(a: HubLetter, b: HubLetter) => number> {
  const { rows } = await readAccount(store, device);
  const places = new Map(rows.map(({ id }, at) => [id, at]));
  return (a, b) => a.at - b.at || (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0);
}

function accountKey(device: string): ItemKey {
  return { table: 'dead-letter-account', partition: device, sort: 'all' };
}

function sizeOf(letter: HubLetter): number {
  const { json, bytes } = bodyOf(letter);
  return byteLength(JSON.stringify(json)) + (bytes?.length ?? 0);
}
