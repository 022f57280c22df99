/** What is kept, whole: history in batches, and bundles; for whoever runs a rule over the past. */
import { SeriesFilter, UsageError } from '@weir/runtime';
import { z } from 'zod';
import { readHistoryBatches } from '../../store/history-batches.ts';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

const SELECTORS_MAX = 64;
const selectors = z
  .string()
  .max(SELECTORS_MAX * 130)
  .transform((text, context) => {
    const parts = text.split(',').map((part) => part.split('/'));
    if (
      parts.length <= SELECTORS_MAX &&
      parts.every((part) => part.length === 2 && part.every((glob) => glob !== ''))
    ) {
      return parts.map(([sensor, metric]) => ({ sensor: sensor!, metric: metric! }));
    }
    context.addIssue({ code: 'custom', message: `SENSOR/METRIC, with * for any characters; at most ${SELECTORS_MAX}` });
    return z.NEVER;
  });
const querystring = z.object({
  series: selectors.optional().describe('e.g. oven*/temperature,door/open'),
  from: z.coerce.number().int().min(0).optional().describe('event time in ms, inclusive'),
  to: z.coerce.number().int().min(0).optional().describe('event time in ms, exclusive'),
  after: schemas.after,
});
const batch = z.object({
  lane: z.string(),
  epoch: z.string(),
  seq: z.int().describe('number of the first reading'),
  from: z.int().describe('no reading of it, nor of those behind it, is earlier; of a wide one: of itself alone'),
  wide: z.literal(true).optional().describe('its times are too wild to be among the others'),
  at: z.int().optional().describe('when it came, by the clock of the hub'),
  batch: z.base64().describe('encoded as devices send it'),
});

export function historyRoutes(app: Routes, { store, fleet }: OperatorApiOptions): void {
  app.get(
    '/devices/:device/history',
    {
      schema: {
        summary:
          'Stored readings in the batches in which they are kept, in order of their lowest times, behind those of wild times; ' +
          'at either end of the range there may be more. A page may be empty and yet have a next',
        params: z.object({ device: schemas.deviceOrGatherer }),
        querystring,
        response: { 200: schemas.pageOf(batch) },
      },
    },
    async ({ params, query: { series, ...range } }) => {
      const filter = series === undefined ? undefined : new SeriesFilter(series);
      const { batches, next } = await readHistoryBatches(store, params.device, { ...range, series: filter });
      const items = batches.map(({ bytes, ...each }) => ({ ...each, batch: Buffer.from(bytes).toString('base64') }));
      return next === undefined ? { items } : { items, next };
    },
  );

  app.get(
    '/bundles/:hash',
    { schema: { summary: 'A bundle, as it was uploaded', params: z.object({ hash: schemas.hash }) } },
    async ({ params: { hash } }, reply) => {
      const bytes = await fleet.bundle(hash);
      if (bytes === undefined) {
        throw new UsageError(
          'bundle-unknown',
          `there is no bundle ${hash}`,
          'see which there are: weir fn releases NAME',
        );
      }
      return reply.type('application/octet-stream').serializer(String).send(Buffer.from(bytes).toString('utf8'));
    },
  );
}
