import { Failure, Misuse } from './failure.ts';
import type { HubAddress } from './find-hub.ts';
import { trustOnly } from './trust.ts';

/** Asking a hub on the same machine takes milliseconds; a bundle over a slow link some seconds. */
const TIMEOUT_MS = 30_000;

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
    if (address.ca !== undefined) trustOnly(address.ca);
  }

  get url(): string {
    return this.#address.url;
  }

  /** What tells it from other hubs: on one machine many have the same URL, one after the other. */
  get name(): string {
    return this.#address.data ?? this.#address.url;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return (await this.#send('GET', path + search(query))).json() as Promise<T>;
  }

  /** What is no JSON, or to be read as it was written. */
  async bytes(path: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#send('GET', path)).arrayBuffer());
  }

  async send<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<T> {
    if (body instanceof Uint8Array) {
      const type = { 'content-type': 'application/octet-stream', ...headers };
      const response = await this.#send(method, path, body as Uint8Array<ArrayBuffer>, type);
      return response.json() as Promise<T>;
    }
    if (body === undefined) return (await this.#send(method, path)).json() as Promise<T>;
    return (
      await this.#send(method, path, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
    ).json() as Promise<T>;
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

  /** What comes as it comes, however long that takes. */
  async *text(path: string, query: Query): AsyncGenerator<string> {
    const response = await this.#send('GET', path + search(query), undefined, undefined, new AbortController().signal);
    const text = new TextDecoder();
    try {
      for await (const chunk of response.body!) yield text.decode(chunk, { stream: true });
    } catch (error) {
      throw new Failure(`the hub broke off: ${reasonOf(error)}`, 'what was written is not all of it');
    }
  }

  async #send(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    more: Record<string, string> = {},
    signal: AbortSignal = AbortSignal.timeout(TIMEOUT_MS),
  ): Promise<Response> {
    const { url, apiKey } = this.#address;
    const headers = { ...more, authorization: `Bearer ${apiKey}` };
    let response: Response;
    try {
      const request: RequestInit = { method, headers, signal };
      if (body !== undefined) request.body = body;
      response = await fetch(`${url}/api/v1${path}`, request);
    } catch (error) {
      throw unreachable(url, error);
    }
    if (response.ok) return response;
    throw await refusal(response);
  }
}

const UNTRUSTED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT.*)|CERT_SIGNATURE_FAILURE)$/;

function unreachable(url: string, error: unknown): Failure {
  const reason = reasonOf(error);
  if (UNTRUSTED.test(reason)) {
    return new Failure(
      `${url} shows a certificate of an authority that is not trusted here (${reason})`,
      'log in with the hash of the hub, which is printed with each API key: weir login URL --key KEY --ca-sha256 HASH',
    );
  }
  if (url.startsWith('http:') && reason === 'UND_ERR_SOCKET') {
    return new Failure(`what answers at ${url} speaks no HTTP`, `is it ${url.replace('http:', 'https:')}?`);
  }
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new Failure(
      `the certificate of ${url} is not for this name`,
      'use a name of the hub; its names are public.hosts in its configuration',
    );
  }
  return new Failure(`no hub answers at ${url}: ${reason}`, 'start one with: weir hub');
}

async function refusal(response: Response): Promise<Error> {
  const body = (await response.json().catch(() => undefined)) as
    | { error?: { code: string; message: string; remedy: string } }
    | undefined;
  const error = body?.error;
  if (error === undefined) return new Failure(`the hub answered HTTP ${response.status}`);
  // What the API expects, who types a command has no use for.
  if (error.code === 'request-invalid') return new Misuse(error.message, 'see what the command takes: add --help');
  if (response.status < 500) return new Misuse(error.message, error.remedy, error.code);
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
