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
