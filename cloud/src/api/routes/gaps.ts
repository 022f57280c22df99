import { LANES } from '@weir/protocols';
import { z } from 'zod';
import { unknownDevice } from '../../fleet/unknown-device.ts';
import { GAP_STATES } from '../../gaps/gaps.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

export function gapRoutes(app: Routes, { fleet, gaps }: OperatorApiOptions): void {
  const querystring = schemas.pageQuery.extend({
    lane: z.enum(LANES).optional(),
    state: z.enum(GAP_STATES).optional(),
    from: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .describe('event time in ms, inclusive; only gaps whose times are known'),
    to: z.coerce.number().int().min(0).optional().describe('event time in ms, exclusive'),
  });
  app.get(
    '/gaps',
    {
      schema: {
        summary: 'Devices of which the hub does not have all items, in order of name, and how many',
        querystring: schemas.pageQuery,
        response: { 200: schemas.pageOf(schemas.deviceGaps) },
      },
    },
    ({ query }) => gaps.devices(page(query)),
  );

  app.get(
    '/devices/:device/gaps',
    {
      schema: {
        summary:
          'Items of a device that the hub does not have, newest first, and their sums; a page may have fewer than its limit, even none, and yet have a next',
        params: z.object({ device: schemas.deviceId }),
        querystring,
        response: { 200: schemas.pageOf(schemas.gap).extend({ summary: schemas.gapSummary }) },
      },
    },
    async ({ params: { device }, query }) => {
      if ((await fleet.device(device)) === undefined) throw unknownDevice(device);
      const { items, next } = await gaps.list(device, { ...given(query), ...page(query) });
      return { items: [...items], summary: summaryOf(await gaps.summary(device)), ...(next !== undefined && { next }) };
    },
  );
}

type Summary = Awaited<ReturnType<OperatorApiOptions['gaps']['summary']>>;

/** As the answer has it. */
export function summaryOf({ lives, restored, ...rest }: Summary): z.infer<typeof schemas.gapSummary> {
  return {
    ...rest,
    lives: { ...lives, last: [...lives.last] },
    restored: { ...restored, last: [...restored.last] },
  };
}
