/** Server-sent events, bounded in number and in what waits to be read. @see HTML Living Standard, section 9.2 */
import type { ServerResponse } from 'node:http';
import { UsageError } from '@weir/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Access } from '../access/access.ts';
import { systemClock } from '../clock/clock.ts';

/** People who watch; each costs a connection and a listener. */
const WATCHERS_MAX = 100;
/** Proxies close a connection on which nothing comes for a minute. */
const HEARTBEAT_MS = 15_000;
/** A watcher that reads no more is let go before it fills the memory. */
const UNREAD_BYTES_MAX = 1_048_576;

export interface Stream {
  send(type: string, data: object): void;
  end(): void;
}

export class Streams {
  /** With the id of the key that each was opened with. */
  readonly #watchers = new Map<ServerResponse, string | undefined>();

  /** A stream ends with the server, and with the key that opened it. */
  constructor(app: Pick<FastifyInstance, 'addHook'>, access: Pick<Access, 'onEnd'>) {
    const end = access.onEnd((key) => {
      for (const [watcher, its] of this.#watchers) if (its === key) watcher.end();
    });
    app.addHook('preClose', async () => {
      end();
      for (const watcher of this.#watchers.keys()) watcher.end();
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
    const { principal } = reply.request;
    void beat(watcher, gone.signal, principal?.expiresAt);
    this.#watchers.set(watcher, principal?.id);
    watcher.once('close', () => {
      gone.abort();
      this.#watchers.delete(watcher);
      onClose();
    });
    return { send: (type, data) => send(watcher, type, data), end: () => watcher.end() };
  }
}

async function beat(watcher: ServerResponse, gone: AbortSignal, endsAt = Number.POSITIVE_INFINITY): Promise<void> {
  for (;;) {
    const leftMs = endsAt - systemClock.now();
    await systemClock.sleep(Math.min(HEARTBEAT_MS, Math.max(0, leftMs)), gone);
    if (gone.aborted) return;
    if (systemClock.now() >= endsAt) {
      watcher.end();
      return;
    }
    watcher.write(':\n\n');
  }
}

function send(watcher: ServerResponse, type: string, data: object): void {
  if (watcher.writableLength > UNREAD_BYTES_MAX) watcher.destroy();
  else watcher.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
