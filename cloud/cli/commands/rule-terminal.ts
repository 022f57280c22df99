/** How pictures are drawn where the output goes. */
import { WIDTH_MAX } from '../table.ts';

/** Of a pipe or a file, as of an ordinary terminal. */
const WIDTH_DEFAULT = 80;

export function terminalWidth(): number {
  return Math.min(WIDTH_MAX, process.stdout.columns || WIDTH_DEFAULT);
}

/** @see https://no-color.org */
export function isColourful(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

/** Between two words of how far it got, where these are not written over one another. */
const LINE_EVERY_MS = 10_000;
const OVER_EVERY_MS = 200;

/** How far a long work got, on standard error. */
export class Progress {
  #at = performance.now();
  #isShown = false;

  /** @param part from 0 to 1 */
  tell(part: number, detail: string): void {
    const now = performance.now();
    const { isTTY } = process.stderr;
    if (now - this.#at < (isTTY ? OVER_EVERY_MS : LINE_EVERY_MS)) return;
    this.#at = now;
    const text = `${String(Math.floor(part * 100)).padStart(3)} %  ${detail}`;
    process.stderr.write(isTTY ? `\r${text}\u001b[K` : `${text}\n`);
    this.#isShown = isTTY;
  }

  clear(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K');
    this.#isShown = false;
  }
}
