import { createHash } from 'node:crypto';

const HASHED_AT_ONCE = 16_384;

/** What happened, as one hash; the last of it to read. */
export class Trace {
  readonly #hash = createHash('sha256');
  /** Not hashed yet. */
  #text = '';
  readonly #last: string[] = [];
  readonly #show: ((line: string) => void) | undefined;
  events = 0;

  constructor(show?: (line: string) => void) {
    this.#show = show;
  }

  add(at: number, what: string): void {
    this.events++;
    const line = `${at.toFixed(3)} ${what}`;
    this.#text += `${line}\n`;
    if (this.#text.length > HASHED_AT_ONCE) this.#take();
    this.#show?.(line);
    this.#last.push(line);
    if (this.#last.length > 200) this.#last.splice(0, 100);
  }

  get last(): readonly string[] {
    return this.#last;
  }

  /** Ends it. */
  digest(): string {
    this.#take();
    return this.#hash.digest('hex').slice(0, 16);
  }

  #take(): void {
    this.#hash.update(this.#text);
    this.#text = '';
  }
}
