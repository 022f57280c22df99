import { StoreError } from '../store/store.ts';
import { FleetError } from './error.ts';

/** Work under one key runs in the order asked for, one at a time; different keys do not wait for one another. */
export class Turns {
  #tails = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const turn = (async () => {
      await before?.catch(() => {});
      return work();
    })();
    this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key);
    }
  }
}

/** Each conflict means that another writer got on, so this many attempts outlast as many rivals. */
const ATTEMPTS_MAX = 200;

/** Reads, decides and writes again for as long as another writer was first. */
export async function untilWritten<T>(attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; n <= ATTEMPTS_MAX; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'conflict') throw error;
    }
  }
  throw new FleetError('busy', `another writer was first ${ATTEMPTS_MAX} times`, 'try again in a moment');
}
