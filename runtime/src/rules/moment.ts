/** Which samples are judged together: of one moment, each of another series. */
export class Moment {
  #ts = Number.NaN;
  readonly #series = new Set<number>();

  /**
   * Of one series each is judged, for how samples are cut into steps must make no difference.
   *
   * @returns whether this one is of another moment than those before
   */
  ends(ts: number, series: number): boolean {
    const isAnother = ts !== this.#ts || this.#series.has(series);
    if (isAnother) this.#series.clear();
    this.#ts = ts;
    this.#series.add(series);
    return isAnother;
  }
}
