/** A passphrase comes from the environment, or from whoever sits at the terminal; never from the arguments of a command. */
import { Misuse } from '../failure.ts';

const VARIABLE = 'WEIR_KEY_PASSPHRASE';
/** A key file that was copied can be tried offline, as fast as there is money for. */
const CHARACTERS_MIN = 12;

const ENTER = new Set(['\r', '\n']);
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const BACKSPACE = new Set(['\x7f', '\b']);

/** What a passphrase is asked of. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  input: NodeJS.ReadStream;
  write: (text: string) => void;
}

/** @throws {Misuse} when there is none and nobody to ask */
export function askPassphrase(terminal: Terminal, what: string): Promise<string> {
  const given = fromEnvironment(terminal);
  if (given !== undefined) return Promise.resolve(given);
  if (!terminal.input.isTTY) {
    throw new Misuse(`${what} has a passphrase, and there is no terminal to ask for it`, `set ${VARIABLE}`);
  }
  return readHidden(terminal, `Passphrase of ${what}: `);
}

/** For a new key; twice at a terminal. @throws {Misuse} when it is short, or not the same twice */
export async function askNewPassphrase(terminal: Terminal, what: string): Promise<string> {
  const given = fromEnvironment(terminal);
  const chosen = given ?? (await askPassphrase(terminal, what));
  if (chosen.length < CHARACTERS_MIN) {
    throw new Misuse(
      `a passphrase of ${chosen.length} characters can be guessed`,
      `give ${CHARACTERS_MIN} or more: some words, say`,
    );
  }
  if (given === undefined && (await readHidden(terminal, 'The same again: ')) !== chosen) {
    throw new Misuse('the two are not the same', 'try again');
  }
  return chosen;
}

/** Given in the environment, it is meant for new keys too. */
export function fromEnvironment({ env }: Pick<Terminal, 'env'>): string | undefined {
  const value = env[VARIABLE];
  return value === '' ? undefined : value;
}

/** One line that is not shown while it is typed. @throws {Misuse} for none */
export function readHidden({ input, write }: Terminal, prompt: string): Promise<string> {
  write(prompt);
  input.setRawMode(true);
  input.setEncoding('utf8');
  input.resume();
  return new Promise((resolve, reject) => {
    let line = '';
    const end = (run: () => void) => {
      input.off('data', take);
      input.setRawMode(false);
      input.pause();
      write('\n');
      run();
    };
    const take = (chunk: string) => {
      for (const character of chunk) {
        if (ENTER.has(character)) return end(() => resolve(line));
        if (character === CTRL_C || character === CTRL_D) return end(() => reject(new Misuse('nothing was given')));
        line = BACKSPACE.has(character) ? line.slice(0, -1) : line + character;
      }
    };
    input.on('data', take);
  });
}
