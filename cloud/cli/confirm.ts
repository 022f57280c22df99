/** Asks before much is done at once. */
import { createInterface } from 'node:readline/promises';
import { Misuse } from './failure.ts';
import type { Terminal } from './keys/passphrase.ts';

/** @throws {Misuse} when the answer is not yes, or when there is nobody to ask */
export async function confirm({ input, write }: Terminal, question: string): Promise<void> {
  if (!input.isTTY) throw new Misuse(`${question} There is no terminal to ask`, 'add --yes');
  write(`${question} [y/N] `);
  const lines = createInterface({ input });
  const answer = await new Promise<string>((resolve) => {
    lines.once('line', resolve).once('close', () => resolve(''));
  });
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Misuse('nothing was done', 'answer y, or add --yes');
}
