/** Sends requests by Node's own client: each over a connection of its own, so that a name is looked up each time. */
import { lookup } from 'node:dns';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { AddressRefusedError, type AddressRule, guarded, PUBLIC_ONLY } from './addresses.ts';
import { type HttpAnswer, type HttpCall, RequestFailure, type SendHttp } from './requests.ts';

export interface NodeHttpOptions {
  /** Of an answer's body; more than this is not taken. */
  bodyBytesMax: number;
  /**
   * Where the status of a success says all there is to know: for so long its body is waited for, ms, and one that does not end, or
   * breaks, is a fault of the answer. Default: the body is part of the answer, and is waited for as long as the call may take.
   */
  successWaitMs?: number;
  /** How names become addresses. Default: as the machine does it. */
  lookup?: LookupFunction;
  /** Which addresses a call may reach that may not be private. Default: the public ones. */
  rule?: AddressRule;
}

export function nodeHttp(options: NodeHttpOptions): SendHttp {
  const { lookup: find = lookup as LookupFunction, rule = PUBLIC_ONLY } = options;
  return (call, signal) => {
    const { url, mayBePrivate } = call;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (!mayBePrivate && isIP(host) !== 0 && !rule.allows(host)) {
      return Promise.reject(failureOf(new AddressRefusedError(url.hostname, host, rule.refusal)));
    }
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(url, {
        method: call.method,
        headers: headersOf(call),
        agent: false,
        lookup: mayBePrivate ? find : guarded(find, rule),
        signal,
      });
      request.on('error', (error) => reject(failureOf(error)));
      request.on('response', (response) => {
        read(request, response, options).then(resolve, (error) => reject(failureOf(error)));
      });
      request.end(call.body);
    });
  };
}

function headersOf({ headers, body, method }: HttpCall): Record<string, string> {
  const framing: Record<string, string> = { 'accept-encoding': 'identity' };
  if (body !== undefined) framing['content-length'] = `${Buffer.byteLength(body)}`;
  else if (method !== 'GET' && method !== 'DELETE') framing['content-length'] = '0';
  const assumed = body === undefined ? {} : { 'content-type': 'text/plain; charset=utf-8' };
  return { 'user-agent': 'weir', ...assumed, ...headers, ...framing };
}

/** @throws when the connection ends before the answer does */
async function read(
  request: ClientRequest,
  response: IncomingMessage,
  { bodyBytesMax, successWaitMs }: NodeHttpOptions,
): Promise<HttpAnswer> {
  const { statusCode: status = 0, headers } = response;
  const isEnough = successWaitMs !== undefined && status >= 200 && status < 300;
  const patience = isEnough ? AbortSignal.timeout(successWaitMs) : undefined;
  patience?.addEventListener('abort', () => request.destroy(), { once: true });
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) {
        request.destroy();
        return { status, headers, fault: `the body of the answer has more than ${bodyBytesMax} bytes` };
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (!isEnough) throw error;
    return { status, headers, fault: 'the body of the answer did not end' };
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return { status, headers, fault: `the body of the answer is compressed by ${encoding}` };
  const body = textOf(Buffer.concat(chunks), headers['content-type']);
  if (body === undefined) return { status, headers, fault: 'the body of the answer is no text' };
  return { status, headers, body };
}

function textOf(bytes: Uint8Array, contentType = ''): string | undefined {
  const [, charset = 'utf-8'] = /;\s*charset="?([^\s";]+)/i.exec(contentType) ?? [];
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function failureOf(error: unknown): RequestFailure {
  const { message, code, errors } = error as Error & { code?: string; errors?: Error[] };
  // Neither what may not be reached nor what cannot be sent becomes better by waiting.
  const isFinal = error instanceof AddressRefusedError || error instanceof TypeError;
  if (isFinal) return new RequestFailure(message, false, { cause: error });
  // Several addresses were tried, and each failed: the first says enough.
  return new RequestFailure(message || errors?.[0]?.message || (code ?? 'no answer'), true, { cause: error });
}
