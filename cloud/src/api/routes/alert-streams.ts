import { Readable } from 'node:stream';
import { z } from 'zod';
import { csvOf, ndjsonOf } from '../../alerts/export.ts';
import { alertFilterQuery, filterOf } from '../alert-filter.ts';
import type { HubEvent } from '../events.ts';
import type { Stream, Streams } from '../streams.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

/** Events that wait to be looked at for one watcher; one that is so far behind is let go. */
const PENDING_MAX = 10_000;

/** What comes bit by bit: history as a file, and what happens as it happens. */
export function alertStreamRoutes(app: Routes, { alerts, events, now }: OperatorApiOptions, streams: Streams): void {
  app.get(
    '/alerts/export',
    {
      schema: {
        summary: 'Episodes as a file, those that began last first; with `ndjson` each with all that is known of it',
        querystring: z.object({ ...alertFilterQuery, format: z.enum(['csv', 'ndjson']).default('ndjson') }),
      },
    },
    async ({ query: { format, ...query } }, reply) => {
      const found = alerts.all(filterOf(query));
      const [type, text] =
        format === 'csv' ? ['text/csv; header=present', csvOf(found)] : ['application/x-ndjson', ndjsonOf(found)];
      return reply.type(`${type}; charset=utf-8`).send(Readable.from(text));
    },
  );

  app.get(
    '/alerts/watch',
    {
      schema: {
        summary: 'What becomes of alerts, as it happens: server-sent events `transition` and `operator`',
        querystring: z.object(alertFilterQuery),
      },
    },
    (request, reply) => {
      const filter = filterOf(request.query);
      const stream = streams.open(reply, () => end());
      stream.send('watching', { type: 'watching', at: now() });
      const watcher = new Watcher(stream, (event) => alerts.isAmong(event.episode, filter));
      const end = events.on((event) => {
        if (event.type === 'transition' || event.type === 'operator') watcher.add(event);
      });
    },
  );
}

type AlertEvent = HubEvent & { type: 'transition' | 'operator' };

/** Whether an event is among those wanted takes a look at its device; they are told in order. */
class Watcher {
  readonly #stream: Stream;
  readonly #wants: (event: AlertEvent) => Promise<boolean>;
  readonly #pending: AlertEvent[] = [];
  #isBusy = false;

  constructor(stream: Stream, wants: (event: AlertEvent) => Promise<boolean>) {
    this.#stream = stream;
    this.#wants = wants;
  }

  add(event: AlertEvent): void {
    if (this.#pending.length >= PENDING_MAX) {
      this.#stream.end();
      return;
    }
    this.#pending.push(event);
    if (!this.#isBusy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    for (let event = this.#pending.shift(); event !== undefined; event = this.#pending.shift()) {
      // What cannot be looked up is told all the same.
      const isWanted = await this.#wants(event).catch(() => true);
      if (isWanted) this.#stream.send(event.type, event);
    }
    this.#isBusy = false;
  }
}
