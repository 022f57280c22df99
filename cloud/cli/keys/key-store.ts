/**
 * The keys of an author, one file each, for their owner alone.
 *
 *     release.pem   root.pem   root-2.pem
 *
 * What a key may do is not written here but in the root file of a hub.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, Misuse } from '../failure.ts';
import { type Key, keyOf } from './key.ts';
import { newKeyFile, parseKeyFile } from './key-file.ts';

const ENDING = '.pem';
const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
/** Also the name of a file. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** A key with its name and where it is. */
export interface KeptKey extends Key {
  name: string;
  file: string;
  /** ms since epoch */
  createdAt: number;
}

export class KeyStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** In order of name; none when there is no folder. @throws {Misuse} for a file that is no key, or that others may read */
  async list(): Promise<KeptKey[]> {
    const names = await readdir(this.folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new Failure(`${this.folder} cannot be read: ${error.code}`);
    });
    const keys = names.filter((name) => name.endsWith(ENDING)).map((name) => this.#read(name.slice(0, -ENDING.length)));
    return (await Promise.all(keys)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes a key under a name that is free. Another process that makes one of this name at once wins or loses whole.
   *
   * @returns undefined: there is one of this name
   * @throws {Misuse} when the name cannot be one
   */
  async create(name: string, passphrase: string | undefined): Promise<KeptKey | undefined> {
    if (!NAME.test(name)) {
      throw new Misuse(`"${name}" cannot be the name of a key`, 'use small letters, digits, "-", "_" and "."');
    }
    await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE });
    const file = this.#fileOf(name);
    const aside = `${file}.${randomUUID()}.new`;
    try {
      const { writeDurably } = await import('@weir/runtime');
      await writeDurably(aside, newKeyFile(passphrase));
      await link(aside, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw new Failure(`${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    } finally {
      await rm(aside, { force: true });
    }
    const handle = await open(this.folder);
    await handle.sync().finally(() => handle.close());
    return this.#read(name);
  }

  /** The name, or the first free one of name-2, name-3 … */
  async freeName(name: string): Promise<string> {
    const taken = new Set((await this.list()).map((key) => key.name));
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : `${name}-${n}`;
      if (!taken.has(candidate)) return candidate;
    }
  }

  async #read(name: string): Promise<KeptKey> {
    const file = this.#fileOf(name);
    const [text, { mode, mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    if ((mode & OTHERS) !== 0) {
      throw new Misuse(`others may read the key ${file}`, `if nobody has: chmod 600 ${file}; else make a new one`);
    }
    return { ...keyOf(parseKeyFile(text, file), file), name, file, createdAt: Math.round(mtimeMs) };
  }

  #fileOf(name: string): string {
    return join(this.folder, `${name}${ENDING}`);
  }
}
