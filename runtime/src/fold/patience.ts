/**
 * Counts what a version does wrong until it is enough: three steps in a row that had to be stopped, ten in a row that
 * threw, or five in all with which the sandbox process died. Kept with the fold's state, so that it is enough at the
 * same step whatever restarts in between.
 */

export interface PatienceState {
  /** Names version and configuration that it is about. */
  version: string;
  /** In a row that threw. */
  steps: number;
  /** In a row that had to be stopped. */
  strikes?: number;
  /** Since it was forgiven last. */
  crashes?: number;
}

const STRIKES_MAX = 3;
const THROWN_STEPS_MAX = 10;
/** In a row or not: each took the steps of its neighbours along. */
const CRASHES_MAX = 5;
/** As many steps later that came back all is forgotten: nobody is stopped for one crash in a month. */
const FORGIVEN_STEPS = 1_000;

export class Patience {
  /** Set when there is something to be kept; for whoever keeps it to take back. */
  changed = false;
  readonly #version: string;
  #thrown = 0;
  #strikes = 0;
  #crashes = 0;
  #wellSinceCrash = 0;

  constructor(version: string, kept: PatienceState | undefined) {
    this.#version = version;
    if (kept?.version !== version) return;
    const { steps, strikes = 0, crashes = 0 } = kept;
    [this.#thrown, this.#strikes, this.#crashes] = [steps, strikes, crashes];
  }

  /** Undefined: it has done nothing wrong. */
  get state(): PatienceState | undefined {
    const [version, steps, strikes, crashes] = [this.#version, this.#thrown, this.#strikes, this.#crashes];
    if (steps === 0 && strikes === 0 && crashes === 0) return undefined;
    return { version, steps, ...(strikes > 0 && { strikes }), ...(crashes > 0 && { crashes }) };
  }

  /** A step had to be stopped. @returns why that is enough */
  strike(message: string, isCrash: boolean): string | undefined {
    this.changed = true;
    this.#strikes++;
    if (isCrash) [this.#crashes, this.#wellSinceCrash] = [this.#crashes + 1, 0];
    if (this.#strikes >= STRIKES_MAX) return `${STRIKES_MAX} steps in a row had to be stopped; the last: ${message}`;
    if (this.#crashes < CRASHES_MAX) return undefined;
    return `the sandbox process died with ${CRASHES_MAX} of its steps; the last: ${message}`;
  }

  /** A step has come back. */
  cameBack(): void {
    const isForgiven = this.#crashes > 0 && ++this.#wellSinceCrash >= FORGIVEN_STEPS;
    if (this.#strikes === 0 && !isForgiven) return;
    if (isForgiven) this.#crashes = 0;
    this.#strikes = 0;
    this.changed = true;
  }

  /** It threw, or went well. @returns whether that is enough */
  threw(hasThrown: boolean): boolean {
    const steps = hasThrown ? this.#thrown + 1 : 0;
    if (steps !== this.#thrown) this.changed = true;
    this.#thrown = steps;
    return steps >= THROWN_STEPS_MAX;
  }

  static reasonOf(lastError: string | undefined): string {
    return `${THROWN_STEPS_MAX} steps in a row failed; the last: ${lastError}`;
  }
}
