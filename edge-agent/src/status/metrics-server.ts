/** `GET /metrics` for a Prometheus, where the configuration names a port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '@weir/runtime';

export interface MetricsServer {
  port: number;
  stop(): Promise<void>;
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * @param text of the metrics now
 * @throws {UsageError} `port-taken` | `address-unusable`
 */
export async function serveMetrics(
  { host, port }: { host: string; port: number },
  text: () => Promise<string>,
): Promise<MetricsServer> {
  const isLocal = LOOPBACK.includes(host) || host === '::1';
  const server = createServer((request, response) => {
    // A page in a browser of this machine may be made to ask, but its request names the page's own host.
    if (isLocal && !LOOPBACK.includes((request.headers.host ?? '').replace(/:\d+$/, ''))) {
      response.writeHead(421).end();
    } else if (request.method !== 'GET' || request.url !== '/metrics') response.writeHead(404).end();
    else {
      text().then(
        (body) => response.setHeader('content-type', METRICS_TYPE).end(body),
        (error: Error) => response.writeHead(500).end(error.message),
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explained(error, host, port)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function explained(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const taken = error.code === 'EADDRINUSE';
  if (!taken && error.code !== 'EACCES' && error.code !== 'EADDRNOTAVAIL') return error;
  return new UsageError(
    taken ? 'port-taken' : 'address-unusable',
    taken ? `port ${port} on ${host} is taken` : `cannot listen on ${host} port ${port}: ${error.code}`,
    'choose another metrics.port in the configuration',
    { cause: error },
  );
}
