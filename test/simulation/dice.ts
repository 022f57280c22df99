/** Chance that can be had again: everything that is drawn in a simulation comes from here. */

/** sfc32: 128 bits of state, fast, and good enough for any draw of a simulation. */
export class Dice {
  readonly #name: string;
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(name: string) {
    this.#name = name;
    [this.#a, this.#b, this.#c] = [hash(`${name}/a`), hash(`${name}/b`), hash(`${name}/c`)];
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** A sequence of its own, so that one more draw here changes none there. */
  fork(name: string): Dice {
    return new Dice(`${this.#name}/${name}`);
  }

  /** 0 to 1. */
  readonly random = (): number => this.#next() / 4_294_967_296;

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#next() & 0xff);
  }

  /** From `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  between(low: number, high: number): number {
    return low + this.random() * (high - low);
  }

  /** Small far more often than large: times between events, latencies. */
  exponential(mean: number): number {
    return -Math.log(1 - this.random()) * mean;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)]!;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}

/** FNV-1a. */
export function hash(text: string, from = 0x811c9dc5): number {
  let value = from;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
