/**
 * The last lines of functions, of devices as far as they were told and of the hub's own: in memory, to be looked at.
 * Whoever follows hears of each line as it comes.
 */
import type { LogReport } from '@weir/protocols';
import type { LogLine } from '@weir/runtime';
import type { Origin } from '../api/events.ts';

export interface LogEntry {
  device: string;
  where: Origin;
  function: string;
  level: LogLine['level'];
  text: string;
  /** Event time. */
  ts: number;
  /** When the hub had it. */
  at: number;
  /** Lines of the function that were left out before this one. */
  left: number;
}

export interface LogFilter {
  device?: string;
  function?: string;
}

/** Lines of one function on one device. */
interface Book {
  entries: LogEntry[];
  chars: number;
  /** Of devices: the life of the agent, and the line that comes next in it. */
  run: number | undefined;
  next: number;
  /** Of the hub: how many lines came in this second, and how many of them were left out. */
  second: number;
  taken: number;
  left: number;
}

const LINES_PER_BOOK = 200;
/** Of the hub's own functions: one that says too much must not keep whoever follows busy. */
const LINES_PER_SECOND = 20;
/** Of all books together; the book that was written to longest ago goes first. */
const CHARS_MAX = 16_000_000;
/** What a line costs beside its text. */
const LINE_CHARS = 100;

export class LogBook {
  readonly #now: () => number;
  /** In order of the last line. */
  readonly #books = new Map<string, Book>();
  readonly #followers = new Set<{ filter: LogFilter; listener: (entry: LogEntry) => void }>();
  #chars = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** In the order in which they came to the hub. */
  lines(filter: LogFilter): LogEntry[] {
    const all = [...this.#books.values()].flatMap(({ entries }) => entries.filter((entry) => isWanted(filter, entry)));
    return all.sort((a, b) => a.at - b.at);
  }

  /** @returns ends it */
  follow(filter: LogFilter, listener: (entry: LogEntry) => void): () => void {
    const follower = { filter, listener };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Lines of a device; it may tell some of them again. */
  told(device: string, { run, lines }: LogReport): void {
    for (const { function: fn, n, level, text, ts } of lines) {
      const book = this.#book(device, 'edge', fn);
      if (book.run !== run) Object.assign(book, { run, next: n });
      if (n < book.next) continue;
      const left = n - book.next;
      book.next = n + 1;
      this.#add(book, { device, where: 'edge', function: fn, level, text, ts, at: this.#now(), left });
    }
  }

  /** Lines of functions in the hub. */
  add(device: string, lines: readonly LogLine[]): void {
    const at = this.#now();
    for (const { fold, level, text, ts } of lines) {
      const book = this.#book(device, 'cloud', fold);
      const second = Math.floor(at / 1000);
      if (book.second !== second) Object.assign(book, { second, taken: 0 });
      if (book.taken++ >= LINES_PER_SECOND) {
        book.left++;
        continue;
      }
      const { left } = book;
      book.left = 0;
      this.#add(book, { device, where: 'cloud', function: fold, level, text, ts, at, left });
    }
  }

  #book(device: string, where: Origin, fn: string): Book {
    const key = `${device}/${where}/${fn}`;
    const book = this.#books.get(key) ?? {
      ...{ entries: [], chars: 0, run: undefined, next: 0 },
      ...{ second: 0, taken: 0, left: 0 },
    };
    this.#books.delete(key);
    this.#books.set(key, book);
    return book;
  }

  #add(book: Book, entry: LogEntry): void {
    book.entries.push(entry);
    this.#count(book, entry.text.length + LINE_CHARS);
    while (book.entries.length > LINES_PER_BOOK) this.#count(book, -book.entries.shift()!.text.length - LINE_CHARS);
    for (const [key, oldest] of this.#books) {
      if (this.#chars <= CHARS_MAX || oldest === book) break;
      this.#books.delete(key);
      this.#chars -= oldest.chars;
    }
    for (const { filter, listener } of this.#followers) if (isWanted(filter, entry)) listener(entry);
  }

  #count(book: Book, chars: number): void {
    book.chars += chars;
    this.#chars += chars;
  }
}

function isWanted(filter: LogFilter, entry: LogEntry): boolean {
  return (filter.device ?? entry.device) === entry.device && (filter.function ?? entry.function) === entry.function;
}
