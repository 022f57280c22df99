/** Commits that may be under way however large they are: the next step is computed meanwhile. */
const COMMITS_MIN = 2;

/** Steps that were computed and are not committed yet; bounded, for a commit that fails throws away all behind it. */
export class UnderCommit {
  #readingsMax: number;
  #commits = new Set<Promise<void>>();
  #readings = 0;
  #onSettled = () => {};

  constructor(readingsMax: number) {
    this.#readingsMax = readingsMax;
  }

  /** @param commit does not reject */
  add(commit: Promise<void>, readings: number): void {
    this.#commits.add(commit);
    this.#readings += readings;
    void commit.then(() => {
      this.#commits.delete(commit);
      this.#readings -= readings;
      this.#onSettled();
    });
  }

  /** Resolves when there is room for another. */
  async room(): Promise<void> {
    while (this.#commits.size >= COMMITS_MIN && this.#readings >= this.#readingsMax) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
      });
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#commits);
  }
}
