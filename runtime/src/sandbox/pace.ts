/** Which units are quick enough to run on the only loop of a process. */

/** An inline step keeps its neighbours waiting for about as long as handing it to a thread costs fifty times over. */
const QUICK_MICROS = 3_000;
/** Nobody is trusted at first sight. */
const QUICK_STEPS = 8;

export class Pace {
  /** Quick steps in a row by unit. */
  #quick = new Map<string, number>();

  isQuick(key: string): boolean {
    return (this.#quick.get(key) ?? 0) >= QUICK_STEPS;
  }

  note(key: string, micros: number): void {
    if (micros > QUICK_MICROS) this.#quick.delete(key);
    else {
      const before = this.#quick.get(key) ?? 0;
      if (before < QUICK_STEPS) this.#quick.set(key, before + 1);
    }
  }

  forget(key: string): void {
    this.#quick.delete(key);
  }
}
