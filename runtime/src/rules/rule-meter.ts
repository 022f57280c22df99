/** What a rule is asked, and what is written of it. */
export class RuleMeter {
  evaluations = 0;
  /** Of all that was written last, by key. */
  bytes = 0;
  #byKey = new Map<string, number>();

  /** @param json null: it is forgotten */
  wrote(key: string, json: string | null): void {
    this.bytes += (json?.length ?? 0) - (this.#byKey.get(key) ?? 0);
    if (json === null) this.#byKey.delete(key);
    else this.#byKey.set(key, json.length);
  }
}
