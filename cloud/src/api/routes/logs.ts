import { z } from 'zod';
import type { LogEvent } from '../../logs/logs.ts';
import * as schemas from '../schemas.ts';
import type { Streams } from '../streams.ts';
import { given, type OperatorApiOptions, type Routes } from './route.ts';

export function logRoutes(app: Routes, { logs }: OperatorApiOptions, streams: Streams): void {
  const querystring = z.object({ function: schemas.name.optional(), device: schemas.deviceOrGatherer.optional() });

  app.get(
    '/logs',
    {
      schema: {
        summary: 'Lines of functions that the hub has, the last of each; of devices those that were followed',
        querystring,
        response: { 200: schemas.pageOf(schemas.logLine) },
      },
    },
    async ({ query }) => ({ items: logs.lines(given(query)) }),
  );

  const followed = querystring.refine((query) => query.function ?? query.device, 'a function or a device is wanted');
  app.get(
    '/logs/follow',
    {
      schema: {
        summary:
          'Lines of functions, those that are kept and then those that come: server-sent events `line`; `following` with ' +
          'the devices that are asked to tell, and `device` for how it is with each of them',
        querystring: followed,
      },
    },
    async ({ query }, reply) => {
      // What there is to tell at once waits until it is known that it can be followed at all.
      const early: LogEvent[] = [];
      let tell = (event: LogEvent) => {
        early.push(event);
      };
      const end = await logs.follow(given(query), (event) => tell(event));
      try {
        const stream = streams.open(reply, end);
        tell = (event) => stream.send(event.type, event);
        for (const event of early) tell(event);
      } catch (error) {
        end();
        throw error;
      }
    },
  );
}
