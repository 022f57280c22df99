/** Server-sent events, bounded in number and in what waits to be read. @see HTML Living Standard, section 9.2 */
import type { ServerResponse } from 'node:http';
import { UsageError } from '@weir/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { systemClock } from '../clock/clock.ts';

/** People who watch; each costs a connection and a listener. */
const WATCHERS_MAX = 100;
/** Proxies close a connection on which nothing comes for a minute. */
const HEARTBEAT_MS = 15_000;
/** A watcher that reads no more is let go before it fills the memory. */
const UNREAD_BYTES_MAX = 1_048_576;

export interface Stream {
  send(type: string, data: object): void;
}

export class Streams {
  readonly #watchers = new Set<ServerResponse>();

  /** Ends with the server. */
  constructor(app: Pick<FastifyInstance, 'addHook'>) {
    app.addHook('preClose', async () => {
      for (const watcher of this.#watchers) watcher.end();
    });
  }

  /**
   * @param onClose the watcher went away
   * @throws {UsageError} `limit-exceeded`
   */
  open(reply: FastifyReply, onClose: () => void): Stream {
    const { size } = this.#watchers;
    if (size >= WATCHERS_MAX) {
      throw new UsageError('limit-exceeded', `${size} are watching, which is the limit`, 'end one of them');
    }
    reply.hijack();
    const watcher = reply.raw;
    watcher.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    watcher.write(': watching\n\n');
    const gone = new AbortController();
    void beat(watcher, gone.signal);
    this.#watchers.add(watcher);
    watcher.once('close', () => {
      gone.abort();
      this.#watchers.delete(watcher);
      onClose();
    });
    return { send: (type, data) => send(watcher, type, data) };
  }
}

async function beat(watcher: ServerResponse, gone: AbortSignal): Promise<void> {
  for (;;) {
    await systemClock.sleep(HEARTBEAT_MS, gone);
    if (gone.aborted) return;
    watcher.write(':\n\n');
  }
}

function send(watcher: ServerResponse, type: string, data: object): void {
  if (watcher.writableLength > UNREAD_BYTES_MAX) watcher.destroy();
  else watcher.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
