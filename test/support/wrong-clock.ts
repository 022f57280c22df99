/** A wall clock that is wrong, for programs of ours: libfaketime between them and the machine's. */
import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';

export class WrongClock {
  readonly #file: string;

  /** @param file that the programs look into; kept by who made it */
  constructor(file: string) {
    this.#file = file;
  }

  /** For a program that is to go by it. Its monotonic clock is the machine's own, as it is where a wall clock is set. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: execFileSync('faketime', ['-m', '-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Also of programs that run. @param seconds by which it is ahead */
  set(seconds: number): void {
    const sign = seconds < 0 ? '-' : '+';
    writeFileSync(`${this.#file}.new`, `${sign}${Math.abs(Math.round(seconds))}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
