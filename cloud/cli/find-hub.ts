/** Which hub a command talks to, and with which key. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Misuse } from './failure.ts';

const DEFAULT_DATA = '.weir/hub';

export interface HubAddress {
  url: string;
  apiKey: string;
  /** PEM of the only authority whose certificates are believed; absent: those that this machine knows. */
  ca?: string;
  /** Data folder by which it was found; absent: it was found otherwise. */
  data?: string;
}

/**
 * `--hub-data DIR`, else WEIR_URL with WEIR_API_KEY (and WEIR_CA, a file), else `.weir/hub` here, else what `weir login`
 * has kept.
 *
 * @throws {Misuse}
 */
export function findHub(hubData: string | undefined, env: NodeJS.ProcessEnv): HubAddress {
  if (hubData !== undefined) return inFolder(hubData) ?? nowhere(fileIn(hubData));
  const { WEIR_URL: url, WEIR_API_KEY: apiKey, WEIR_CA: caFile } = env;
  if (url !== undefined && apiKey !== undefined) {
    return { url: url.replace(/\/+$/, ''), apiKey, ...(caFile !== undefined && { ca: readCa(caFile) }) };
  }
  if (url !== undefined) throw new Misuse('WEIR_URL is set, WEIR_API_KEY is not', 'set both');
  return inFolder(DEFAULT_DATA) ?? readAddress(profileFile(env)) ?? nowhere(fileIn(DEFAULT_DATA));
}

/** Data folder of the hub that {@link findHub} finds; undefined: it finds it otherwise, or none. */
export function hubDataOf(hubData: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (hubData !== undefined) return hubData;
  return env.WEIR_URL === undefined && existsSync(fileIn(DEFAULT_DATA)) ? DEFAULT_DATA : undefined;
}

function inFolder(data: string): HubAddress | undefined {
  const found = readAddress(fileIn(data));
  return found && { ...found, data: resolve(data) };
}

/** Where `weir login` keeps its hub. */
export function profileFile(env: NodeJS.ProcessEnv): string {
  const { XDG_CONFIG_HOME: config } = env;
  const folder = config !== undefined && config !== '' ? config : join(homedir(), '.config');
  return join(folder, 'weir', 'hub.json');
}

/** Of the hub whose data folder is here, if there is one. */
export function localHub(): HubAddress | undefined {
  return readAddress(fileIn(DEFAULT_DATA));
}

/** @param file PEM. @throws {Misuse} */
export function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Misuse(`the certificate authority ${file} cannot be read (${code})`, 'give the path of a PEM file');
  }
}

function fileIn(data: string): string {
  return join(resolve(data), 'cli.json');
}

/** @returns undefined when there is no such file */
function readAddress(file: string): HubAddress | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new Misuse(`which hub? ${file} cannot be read (${code})`, 'run the command as the user of the hub');
  }
  try {
    const { url, apiKey, ca } = JSON.parse(text) as Partial<HubAddress>;
    if (typeof url === 'string' && typeof apiKey === 'string') return { url, apiKey, ...(ca !== undefined && { ca }) };
  } catch {}
  throw new Misuse(`${file} is damaged`, 'start the hub again, or log in again; it is written anew then');
}

function nowhere(file: string): never {
  throw new Misuse(
    `which hub? ${file} is not there`,
    'start a hub here with "weir hub", name its data folder with --hub-data DIR, log in with "weir login URL", ' +
      'or set WEIR_URL and WEIR_API_KEY',
  );
}
