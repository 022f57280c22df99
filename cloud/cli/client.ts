import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, Misuse } from './failure.ts';

/** Asking a hub on the same machine takes milliseconds; a bundle over a slow link some seconds. */
const TIMEOUT_MS = 30_000;
const DEFAULT_DATA = '.weir/hub';

export interface HubAddress {
  url: string;
  apiKey: string;
}

export type Query = Record<string, string | number | undefined>;

export interface PageOf<T> {
  items: T[];
  next?: string;
}

/** The operator API of a hub. */
export class HubClient {
  #address: HubAddress;

  constructor(address: HubAddress) {
    this.#address = address;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return (await this.#send('GET', path + search(query))).json() as Promise<T>;
  }

  async send<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<T> {
    if (body instanceof Uint8Array) {
      const response = await this.#send(method, path, body as Uint8Array<ArrayBuffer>, 'application/octet-stream');
      return response.json() as Promise<T>;
    }
    if (body === undefined) return (await this.#send(method, path)).json() as Promise<T>;
    return (await this.#send(method, path, JSON.stringify(body), 'application/json')).json() as Promise<T>;
  }

  /** Every item of a list, page by page. */
  async all<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let after: string | undefined;
    do {
      const page = await this.get<PageOf<T>>(path, { ...query, after });
      items.push(...page.items);
      after = page.next;
    } while (after !== undefined);
    return items;
  }

  /** What happens in the hub, until it or `signal` ends it. */
  events(types: readonly string[], signal: AbortSignal): AsyncGenerator<unknown> {
    return this.stream('/events', { types: types.join(',') }, signal);
  }

  /** Server-sent events, until the hub or `signal` ends it. */
  async *stream(path: string, query: Query, signal: AbortSignal): AsyncGenerator<unknown> {
    const response = await this.#send('GET', path + search(query), undefined, undefined, signal);
    let buffered = '';
    const text = new TextDecoder();
    try {
      for await (const chunk of response.body!) {
        buffered += text.decode(chunk, { stream: true });
        const blocks = buffered.split('\n\n');
        buffered = blocks.pop()!;
        for (const block of blocks) {
          const data = block.split('\n').find((line) => line.startsWith('data: '));
          if (data !== undefined) yield JSON.parse(data.slice('data: '.length));
        }
      }
    } catch (error) {
      if (!signal.aborted) throw new Failure(`the connection to the hub ended: ${reasonOf(error)}`);
    }
  }

  async #send(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    type?: string,
    signal: AbortSignal = AbortSignal.timeout(TIMEOUT_MS),
  ): Promise<Response> {
    const { url, apiKey } = this.#address;
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}` };
    if (type !== undefined) headers['content-type'] = type;
    let response: Response;
    try {
      const request: RequestInit = { method, headers, signal };
      if (body !== undefined) request.body = body;
      response = await fetch(`${url}/api/v1${path}`, request);
    } catch (error) {
      throw new Failure(`no hub answers at ${url}: ${reasonOf(error)}`, 'start one with: weir hub');
    }
    if (response.ok) return response;
    throw await refusal(response);
  }
}

async function refusal(response: Response): Promise<Error> {
  const body = (await response.json().catch(() => undefined)) as
    | { error?: { code: string; message: string; remedy: string } }
    | undefined;
  const error = body?.error;
  if (error === undefined) return new Failure(`the hub answered HTTP ${response.status}`);
  // What the API expects, who types a command has no use for.
  if (error.code === 'request-invalid') return new Misuse(error.message, 'see what the command takes: add --help');
  if (response.status < 500) return new Misuse(error.message, error.remedy);
  return new Failure(error.message, error.remedy);
}

function search(query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  const text = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause as { code?: string; message?: string } | undefined;
  // Its only sign. @see https://fetch.spec.whatwg.org/#port-blocking
  if (inner?.message === 'bad port') return 'HTTP is never spoken on this port; is another one meant?';
  return inner?.code ?? inner?.message ?? message;
}

/** `--hub-data DIR`, else WEIR_URL with WEIR_API_KEY, else `.weir/hub` here. @throws {Misuse} */
export function findHub(hubData: string | undefined, env: NodeJS.ProcessEnv): HubAddress {
  const { WEIR_URL: url, WEIR_API_KEY: apiKey } = env;
  if (hubData !== undefined) return readAddress(hubData);
  if (url !== undefined && apiKey !== undefined) return { url: url.replace(/\/+$/, ''), apiKey };
  if (url !== undefined) throw new Misuse('WEIR_URL is set, WEIR_API_KEY is not', 'set both');
  return readAddress(DEFAULT_DATA);
}

function readAddress(data: string): HubAddress {
  const file = join(resolve(data), 'cli.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`;
    throw new Misuse(
      `which hub? ${file} ${what}`,
      'start a hub here with "weir hub", or name its data folder with --hub-data DIR, or set WEIR_URL and WEIR_API_KEY',
    );
  }
  try {
    const { url, apiKey } = JSON.parse(text) as Partial<HubAddress>;
    if (typeof url === 'string' && typeof apiKey === 'string') return { url, apiKey };
  } catch {}
  throw new Misuse(`${file} is damaged`, 'start the hub again; it writes it anew');
}
