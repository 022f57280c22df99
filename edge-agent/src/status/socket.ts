/** The agent tells its state over a socket in its data folder: only those who may read the folder may ask. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { join, relative } from 'node:path';
import { UsageError } from '@weir/runtime';
import type { BufferReport } from './buffer.ts';
import type { StatusReport } from './report.ts';

const STATUS = '/status';
const METRICS = '/metrics';
const BUFFER = '/buffer';
const RENEW = '/renew';
const OWNER_ONLY = 0o600;
const TIMEOUT_MS = 5_000;
/** What the hub has to do takes as long as the agent waits for it. */
const ORDER_TIMEOUT_MS = 180_000;
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

/**
 * The caller holds the lock of the data folder, so a socket that is there belongs to nobody.
 * @param told `metrics`: text for Prometheus
 */
export async function serveStatus(
  data: string,
  told: {
    status: () => Promise<StatusReport>;
    buffer: () => Promise<BufferReport>;
    metrics: () => Promise<string>;
    renew: () => Promise<void>;
  },
): Promise<StatusServer> {
  const path = socketPath(data);
  rmSync(path, { force: true });
  const answers: Record<string, () => Promise<string>> = {
    [STATUS]: async () => JSON.stringify(await told.status()),
    [BUFFER]: async () => JSON.stringify(await told.buffer()),
    [METRICS]: told.metrics,
  };
  const orders: Record<string, () => Promise<string>> = { [RENEW]: () => told.renew().then(() => '') };
  const server: Server = createServer((asked, response) => {
    const answer = (asked.method === 'GET' ? answers : asked.method === 'POST' ? orders : {})[asked.url ?? ''];
    if (answer === undefined) {
      response.writeHead(404).end();
      return;
    }
    answer().then(
      (body) => response.end(body),
      (error: Error & { remedy?: string }) => response.writeHead(500).end(saidOf(error)),
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
export async function askStatus(data: string): Promise<StatusReport | undefined> {
  const text = await ask(data, STATUS);
  return text === undefined ? undefined : (JSON.parse(text) as StatusReport);
}

/** @returns undefined when no agent runs on the folder */
export async function askBuffer(data: string): Promise<BufferReport | undefined> {
  const text = await ask(data, BUFFER);
  return text === undefined ? undefined : (JSON.parse(text) as BufferReport);
}

/** @returns text for Prometheus; undefined when no agent runs on the folder */
export function askMetrics(data: string): Promise<string | undefined> {
  return ask(data, METRICS);
}

/** As it is printed: what, and below it what to do. */
function saidOf({ message, remedy }: { message: string; remedy?: string }): string {
  return remedy === undefined ? message : `${message}\n  ${remedy}`;
}

/** Tells it to renew its certificate. @returns false when no agent runs on the folder @throws what the agent says */
export async function orderRenewal(data: string): Promise<boolean> {
  return (await ask(data, RENEW, 'POST')) !== undefined;
}

function ask(data: string, path: string, method = 'GET'): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const timeout = method === 'POST' ? ORDER_TIMEOUT_MS : TIMEOUT_MS;
    const options = { socketPath: socketPath(data), path, method, timeout, agent: false };
    const outgoing = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(text || `the agent answered ${response.statusCode}`));
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('the agent does not answer')));
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    });
    outgoing.end();
  });
}
