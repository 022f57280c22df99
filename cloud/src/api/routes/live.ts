import { z } from 'zod';
import type { Streams } from '../streams.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

/** `GET /events`: what happens, as server-sent events. */
export function eventRoutes(app: Routes, { events }: OperatorApiOptions, streams: Streams): void {
  const types = z.string().max(200).optional().describe('names of events, with commas; all when absent');
  const schema = { summary: 'What happens, as it happens: server-sent events', querystring: z.object({ types }) };
  app.get('/events', { schema }, (request, reply) => {
    const wanted = request.query.types?.split(',');
    const stream = streams.open(reply, () => end());
    const end = events.on((event) => {
      if (wanted === undefined || wanted.includes(event.type)) stream.send(event.type, event);
    });
  });
}
