import type { ServerResponse } from 'node:http';
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import { systemClock } from '../../clock/clock.ts';
import type { HubEvent } from '../events.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

/** People who watch; each costs a connection and a listener. */
const WATCHERS_MAX = 100;
/** Proxies close a connection on which nothing comes for a minute. */
const HEARTBEAT_MS = 15_000;
/** A watcher that reads no more is let go before it fills the memory. */
const UNREAD_BYTES_MAX = 1_048_576;

/** `GET /events`: what happens, as server-sent events. @see HTML Living Standard, section 9.2 */
export function eventRoutes(app: Routes, { events }: OperatorApiOptions): void {
  const watchers = new Set<ServerResponse>();
  app.addHook('preClose', async () => {
    for (const watcher of watchers) watcher.end();
  });

  const types = z.string().max(200).optional().describe('names of events, with commas; all when absent');
  const schema = { summary: 'What happens, as it happens: server-sent events', querystring: z.object({ types }) };
  app.get('/events', { schema }, (request, reply) => {
    if (watchers.size >= WATCHERS_MAX) {
      throw new UsageError('limit-exceeded', `${watchers.size} are watching, which is the limit`, 'end one of them');
    }
    const wanted = request.query.types?.split(',');
    reply.hijack();
    const watcher = reply.raw;
    watcher.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    watcher.write(': watching\n\n');
    const end = events.on((event) => {
      if (wanted === undefined || wanted.includes(event.type)) send(watcher, event);
    });
    const gone = new AbortController();
    void beat(watcher, gone.signal);
    watchers.add(watcher);
    watcher.once('close', () => {
      end();
      gone.abort();
      watchers.delete(watcher);
    });
  });
}

async function beat(watcher: ServerResponse, gone: AbortSignal): Promise<void> {
  for (;;) {
    await systemClock.sleep(HEARTBEAT_MS, gone);
    if (gone.aborted) return;
    watcher.write(':\n\n');
  }
}

function send(watcher: ServerResponse, event: HubEvent): void {
  if (watcher.writableLength > UNREAD_BYTES_MAX) watcher.destroy();
  else watcher.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
