/**
 * Does what somebody has asked about letters: those of functions in the hub are run again, or removed, in the write
 * that takes the letter and the ask out. Letters of devices wait for what the device says.
 */
import { type Ask, askKey, fromItem, type HubLetter, letterKey } from '../dead-letters/dead-letter.ts';
import { asksOf } from '../dead-letters/dead-letters.ts';
import { orderOfInput } from '../dead-letters/device-letters.ts';
import type { Store } from '../store/store.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import type { Folds } from './folds.ts';

export interface LetterAsksPorts {
  store: Store;
  folds: Folds;
  now: () => number;
}

/** An ask, and the letter it is about; undefined: that is gone. */
export interface DueAsk {
  id: string;
  ask: Ask;
  letter: HubLetter | undefined;
}

export class LetterAsks {
  readonly #ports: LetterAsksPorts;

  constructor(ports: LetterAsksPorts) {
    this.#ports = ports;
  }

  /** What can be seen to now, in the order in which the input came. */
  async due(device: string): Promise<DueAsk[]> {
    const { store, now } = this.#ports;
    const gone: DueAsk[] = [];
    const due: (DueAsk & { letter: HubLetter })[] = [];
    for (const { id, ask } of await asksOf(store, device)) {
      const item = await store.get(letterKey(ask.function, id));
      if (item === undefined) {
        gone.push({ id, ask, letter: undefined });
        continue;
      }
      const letter = fromItem(item);
      const waits = letter.where === 'edge' && ask.expiresAt > now();
      if (!waits) due.push({ id, ask, letter });
    }
    if (due.length === 0) return gone;
    const compare = await orderOfInput(store, device);
    return [...gone, ...due.sort((a, b) => compare(a.letter, b.letter))];
  }

  async settle({ id, ask, letter }: DueAsk, device: Device, effects: Effects): Promise<void> {
    if (letter === undefined || letter.where === 'edge') {
      effects.addOnce([{ remove: askKey(device.state.device, id) }]);
    } else if (ask.what === 'remove') {
      effects.touch(device.letters);
      await device.letters.remove(letter);
    } else if (!(await this.#ports.folds.replay(device, letter, effects))) {
      effects.touch(device.letters);
      await device.letters.answer(letter, whyNot(letter, device), this.#ports.now());
    }
  }

  /** The host has failed on it. Whoever asked is told, and may ask again. */
  async giveUp({ ask, letter }: DueAsk, device: Device, effects: Effects): Promise<void> {
    if (letter === undefined) return;
    effects.touch(device.letters);
    const why = `the hub failed while it was to ${ask.what} it, see its log; ask again when that is mended`;
    await device.letters.answer(letter, why, this.#ports.now());
  }
}

function whyNot({ function: fn }: HubLetter, { folds, state }: Device): string {
  const status = folds.status().find(({ name }) => name === fn);
  if (status === undefined) {
    return `${fn} does not run in the hub for ${state.device}: deploy it with --where cloud, then replay again`;
  }
  return `${fn}@${status.version} is ${status.state} (${status.reason}): deploy a version that runs, then replay again`;
}
