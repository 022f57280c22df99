/** Which units are quick enough to run on the only loop of a process, and how long they take. */

/** An inline step keeps its neighbours waiting for about as long as handing it to a thread costs fifty times over. */
const QUICK_US = 3_000;
/** Nobody is trusted at first sight. */
const QUICK_STEPS = 8;
/** How slowly a quick step makes up for a slow one. */
const SHARE = 1 / 8;

interface Seen {
  /** Quick steps in a row. */
  steps: number;
  expectedUs: number;
}

export class Pace {
  #seen = new Map<string, Seen>();

  /** How long a step of a quick unit takes, rather too long than too short; undefined: the unit is not quick. */
  expectedUs(key: string): number | undefined {
    const seen = this.#seen.get(key);
    return seen !== undefined && seen.steps >= QUICK_STEPS ? seen.expectedUs : undefined;
  }

  /** @param cpuUs and not the time that passed, which on a busy machine says little about the unit */
  note(key: string, cpuUs: number): void {
    const seen = this.#seen.get(key);
    if (cpuUs > QUICK_US) this.#seen.delete(key);
    else if (seen === undefined) this.#seen.set(key, { steps: 1, expectedUs: cpuUs });
    else {
      seen.steps++;
      seen.expectedUs += (cpuUs - seen.expectedUs) * (cpuUs > seen.expectedUs ? 1 : SHARE);
    }
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
