/** Connections that are no HTTP, under the same rule: which addresses may be reached is asked when they are known. */
import { lookup } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AddressRefusedError, type AddressRule, guarded } from './addresses.ts';
import { RequestFailure } from './requests.ts';

export interface SocketTarget {
  host: string;
  port: number;
  /** Undefined: in clear. */
  tls?: { /** PEM of who may have signed; undefined: whom the machine trusts. */ ca?: string | undefined } | undefined;
}

export interface GuardedSocketOptions {
  rule: AddressRule;
  /** How names become addresses. Default: as the machine does it. */
  lookup?: LookupFunction;
}

/** Ends soon after the signal was aborted. @throws {RequestFailure} not `retryable`: the address may not be reached */
export type OpenSocket = (target: SocketTarget, signal: AbortSignal) => Promise<Socket>;

export function guardedSocket({ rule, lookup: find = lookup as LookupFunction }: GuardedSocketOptions): OpenSocket {
  return async ({ host: written, port, tls }, signal) => {
    const host = written.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !rule.allows(host)) {
      throw new RequestFailure(new AddressRefusedError(host, host, rule.refusal).message, false);
    }
    const socket = connectTcp({ host, port, noDelay: true, lookup: guarded(find, rule) });
    await opened(socket, 'connect', signal);
    if (tls === undefined) return socket;
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const secured = connectTls({ socket, host, ...servername, ...(tls.ca !== undefined && { ca: tls.ca }) });
    await opened(secured, 'secureConnect', signal);
    return secured;
  };
}

function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abandon = () => socket.destroy(new Error('no connection in time'));
    socket.once(event, () => {
      signal.removeEventListener('abort', abandon);
      resolve();
    });
    // Also of later: a socket without a listener would end the process.
    socket.on('error', (error: Error & { code?: string }) => {
      const isFinal = error instanceof AddressRefusedError;
      reject(new RequestFailure(error.message || (error.code ?? 'no connection'), !isFinal, { cause: error }));
    });
    if (signal.aborted) abandon();
    else signal.addEventListener('abort', abandon, { once: true });
  });
}
