import { converter, type Value } from '@weir/protocols';

/** Readings in the unit that a rule gives its levels in; one in no unit is taken as it is. */
export class UnitOfSignal {
  readonly #unit: string;
  /** Of the unit that was seen last: a sensor has one. */
  #from: string | undefined;
  #convert: ((value: number) => number) | undefined;

  constructor(unit: string) {
    this.#unit = unit;
  }

  convert(value: Value | undefined, from: string | undefined): { value: Value | undefined; problem?: string } {
    if (from === undefined || from === this.#unit || typeof value !== 'number') return { value };
    if (from !== this.#from) {
      this.#from = from;
      this.#convert = converter(from, this.#unit);
    }
    if (this.#convert !== undefined) return { value: this.#convert(value) };
    return { value: undefined, problem: `a reading in ${from} cannot be compared with what is given in ${this.#unit}` };
  }
}
