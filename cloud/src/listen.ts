import type { AddressInfo, Server } from 'node:net';
import { UsageError } from '@weir/runtime';

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** The option that sets the port, for the error message. */
  option: string;
}

/** @returns the port. @throws {UsageError} `port-taken`, `port-refused` */
export function listen(server: Server, { host, port, option }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(explain(error, { host, port, option }));
    server.once('error', failed);
    server.listen(port, host, () => {
      server.removeListener('error', failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Says which port and which option; other errors stay as they are. */
export function explain(error: NodeJS.ErrnoException, { host, port, option }: ListenOptions): Error {
  const cause = { cause: error };
  if (error.code === 'EADDRINUSE') {
    return new UsageError(
      'port-taken',
      `port ${port} on ${host} is taken`,
      `stop what uses it or choose ${option}`,
      cause,
    );
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL') {
    return new UsageError(
      'port-refused',
      `cannot listen on ${host} port ${port}: ${error.code}`,
      `set ${option}`,
      cause,
    );
  }
  return error;
}
