import { durationBetween } from '@weir/protocols';
import { LAMBDA_ARCHITECTURES, LAMBDA_PRICE_LIST, LAMBDA_PRICES } from '@weir/runtime';
import { z } from 'zod';
import { deploymentsOf } from '../../fleet/groups.ts';
import type { Store } from '../../store/store.ts';
import { estimateMonth } from '../../usage/estimate.ts';
import { dayOf, readUsage } from '../../usage/ledger.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, type Routes } from './route.ts';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const YEARS_MS_MAX = 3_650 * DAY_MS;
/** US dollars; more than any price. */
const PRICE_MAX = 1_000_000;

const querystring = z.object({
  since: durationBetween(0, YEARS_MS_MAX)
    .default(WEEK_MS)
    .describe('how far back, a duration such as "7d"; whole days of UTC'),
  function: schemas.name.optional(),
});

const price = z.coerce.number().min(0).max(PRICE_MAX).optional();

export function usageRoutes(app: Routes, { store, now }: OperatorApiOptions): void {
  app.get(
    '/usage',
    {
      schema: {
        summary: 'What functions used, by function, version and place',
        querystring,
        response: { 200: z.object({ since: schemas.day, items: z.array(schemas.usage) }) },
      },
    },
    async ({ query: { since, ...about } }) => {
      const range = { from: dayOf(now() - since), to: dayOf(now()) };
      return { since: range.from, items: await readUsage(store, { ...range, ...given(about) }) };
    },
  );

  app.get(
    '/usage/lambda-cost',
    {
      schema: {
        summary: 'What the same work would cost on AWS Lambda in 30 days: requests, and memory times duration',
        querystring: querystring.extend({
          architecture: z.enum(LAMBDA_ARCHITECTURES).default('x86'),
          pricePerMillion: price.describe('US dollars for a million requests'),
          pricePerGbSecond: price.describe('US dollars for a GB-second'),
        }),
        response: { 200: schemas.lambdaEstimate },
      },
    },
    async ({ query: { since, architecture, pricePerMillion, pricePerGbSecond, ...about } }) => {
      const range = { from: dayOf(now() - since), to: dayOf(now()) };
      const rows = await readUsage(store, { ...range, ...given(about) });
      const listed = LAMBDA_PRICES[architecture];
      const prices = {
        perMillionRequests: pricePerMillion ?? listed.perMillionRequests,
        perGbSecond: pricePerGbSecond ?? listed.perGbSecond,
      };
      const estimate = estimateMonth(rows, { deployed: await deployedNames(store), now: now(), prices });
      return { since: range.from, architecture, prices, priceList: LAMBDA_PRICE_LIST, ...estimate };
    },
  );
}

async function deployedNames(store: Store): Promise<Set<string>> {
  const names = new Set<string>();
  let after: string | undefined;
  do {
    const page = await store.partitions('group', after === undefined ? {} : { after });
    for (const group of page.names) for (const { name } of await deploymentsOf(store, group)) names.add(name);
    after = page.next;
  } while (after !== undefined);
  return names;
}
