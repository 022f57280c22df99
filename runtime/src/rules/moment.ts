/** Which samples are judged together: of one moment, each of another series. */
import type { Sample } from './conditions/condition.ts';
import { seriesKey } from './episode/packed-sample.ts';

/** Of samples as they come, told from those before. */
export class Moment {
  #ts = Number.NaN;
  #first = -1;
  /** Most moments are of one series. */
  #others: Set<number> | undefined;

  /**
   * Of one series each is judged, for how samples are cut into steps must make no difference.
   *
   * @returns whether this one is of another moment than those before
   */
  ends(ts: number, series: number): boolean {
    if (ts === this.#ts && series !== this.#first && !this.#others?.has(series)) {
      this.#others ??= new Set();
      this.#others.add(series);
      return false;
    }
    this.#ts = ts;
    this.#first = series;
    this.#others = undefined;
    return true;
  }
}

/** Of samples in order, told from the one that follows. */
export class Ordered {
  #series: Set<string> | undefined;

  /** @returns whether the one that follows is of the same moment: a value beside a level of before would be neither */
  goesOn(sample: Sample, next: Sample | undefined): boolean {
    if (next?.ts === sample.ts) {
      this.#series ??= new Set();
      this.#series.add(seriesKey(sample));
      if (!this.#series.has(seriesKey(next))) return true;
    }
    this.#series = undefined;
    return false;
  }
}
