/** What the work of a fleet's functions would cost on AWS Lambda in a month, from what was measured. */
import {
  addBills,
  addUsage,
  afterFreeTier,
  ESTIMATE_MS_MIN,
  type LambdaCost,
  type LambdaPrices,
  lambdaCost,
  MONTH_MS,
  NO_BILL,
  NO_USAGE,
  timesBill,
  type Usage,
} from '@weir/runtime';
import type { UsageRow } from './ledger.ts';

export interface FunctionEstimate extends Usage {
  function: string;
  /** The largest limit of its versions. */
  memoryMb: number;
  /** What was measured, ms since epoch. Of a function that is deployed it goes on to now, also while it has nothing to do. */
  from: number;
  to: number;
  /** Undefined: it was measured for too short a time. */
  month?: LambdaCost;
}

export interface Estimate {
  items: FunctionEstimate[];
  /** Of all that have an estimate. */
  total: LambdaCost;
  /** The same, less what an account has for nothing. */
  totalAfterFreeTier: LambdaCost;
}

export interface EstimateOptions {
  /** Names of functions that are deployed. */
  deployed: ReadonlySet<string>;
  now: number;
  prices: LambdaPrices;
}

export function estimateMonth(rows: readonly UsageRow[], options: EstimateOptions): Estimate {
  const items = [...Map.groupBy(rows, (row) => row.function)].map(([name, some]) => estimateOf(name, some, options));
  const costs = items.flatMap(({ month }) => month ?? []);
  const total = {
    batched: costs.map(({ batched }) => batched).reduce(addBills, NO_BILL),
    oneByOne: costs.map(({ oneByOne }) => oneByOne).reduce(addBills, NO_BILL),
  };
  const totalAfterFreeTier = {
    batched: afterFreeTier(total.batched, options.prices),
    oneByOne: afterFreeTier(total.oneByOne, options.prices),
  };
  return { items, total, totalAfterFreeTier };
}

/** Each version has a limit of its own; in time they follow one another. */
function estimateOf(name: string, rows: readonly UsageRow[], { deployed, now, prices }: EstimateOptions) {
  const from = Math.min(...rows.map((row) => row.from));
  const to = Math.max(...rows.map((row) => row.to), ...(deployed.has(name) ? [now] : []));
  const item: FunctionEstimate = {
    function: name,
    memoryMb: Math.max(...rows.map(({ memoryMb }) => memoryMb)),
    from,
    to,
    ...rows.reduce<Usage>(addUsage, NO_USAGE),
  };
  if (to - from < ESTIMATE_MS_MIN) return item;
  const factor = MONTH_MS / (to - from);
  const costs = rows.map((row) => lambdaCost(row, row.memoryMb, prices));
  item.month = {
    batched: timesBill(costs.map(({ batched }) => batched).reduce(addBills, NO_BILL), factor),
    oneByOne: timesBill(costs.map(({ oneByOne }) => oneByOne).reduce(addBills, NO_BILL), factor),
  };
  return item;
}
