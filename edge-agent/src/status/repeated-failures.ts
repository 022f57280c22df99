/** A failure that comes again and again is told once a minute, with how often it came: a disk that is full is not filled with words about it. */
const TOLD_EVERY_MS = 60_000;
/** Words differ by what they are about; more kinds of failures at a time than this are told each. */
const KINDS_MAX = 100;

interface Ports {
  clock: { monotonic(): number };
  log: { error(fields: { err: Error }, message: string): void };
}

export class RepeatedFailures {
  readonly #kinds = new Map<string, { toldAt: number; since: number }>();

  tell({ log, clock }: Ports, what: string, error: Error): void {
    const times = this.#times(`${what}: ${error.message}`, clock.monotonic());
    if (times === undefined) return;
    log.error({ err: error }, times === 1 ? what : `${what} (${times} times since it was said last)`);
  }

  /** @returns how often it came since it was told last, itself included; undefined: it is not to be told now */
  #times(kind: string, now: number): number | undefined {
    const known = this.#kinds.get(kind);
    if (known !== undefined && now - known.toldAt < TOLD_EVERY_MS) {
      known.since++;
      return undefined;
    }
    if (known === undefined && this.#kinds.size >= KINDS_MAX) this.#kinds.clear();
    this.#kinds.set(kind, { toldAt: now, since: 0 });
    return (known?.since ?? 0) + 1;
  }
}
