/** The agent tells its state over a socket in its data folder: only those who may read the folder may ask. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import { join, relative } from 'node:path';
import { UsageError } from '@weir/runtime';
import type { StatusReport } from './report.ts';

const OWNER_ONLY = 0o600;
const TIMEOUT_MS = 5_000;
/** @see unix(7): sun_path has 108 bytes with its end */
const PATH_BYTES_MAX = 107;

/** @throws {UsageError} `path-too-long` */
export function socketPath(data: string): string {
  const absolute = join(data, 'agent.sock');
  const path = [absolute, relative(process.cwd(), absolute)].find((each) => Buffer.byteLength(each) <= PATH_BYTES_MAX);
  if (path !== undefined) return path;
  throw new UsageError('path-too-long', `${absolute} is too long for a socket`, 'choose a shorter --data');
}

export interface StatusServer {
  stop(): Promise<void>;
}

/** The caller holds the lock of the data folder, so a socket that is there belongs to nobody. */
export async function serveStatus(data: string, report: () => Promise<StatusReport>): Promise<StatusServer> {
  const path = socketPath(data);
  rmSync(path, { force: true });
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/status') {
      response.writeHead(404).end();
      return;
    }
    report().then(
      (body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, OWNER_ONLY);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @returns undefined when no agent runs on the folder */
export function askStatus(data: string): Promise<StatusReport | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = get(
      { socketPath: socketPath(data), path: '/status', timeout: TIMEOUT_MS, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text) as StatusReport);
          else reject(new Error(`the agent answered ${response.statusCode}: ${text}`));
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('the agent does not answer')));
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    });
  });
}
