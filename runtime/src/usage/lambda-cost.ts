/**
 * What the work of functions would cost on AWS Lambda: requests, and memory times duration.
 *
 *     requests      as Weir batches: one for each invocation; one by one: one for each reading
 *     duration      the processor time measured, spread evenly over the requests, each rounded up to 1 ms
 *     memory        the function's limit, 128 MB at least
 *
 * It is a lower bound: Lambda gives a whole processor from 1769 MB on and less below, a start of the runtime is billed
 * too, and whatever brings readings to Lambda (IoT Core, Kinesis) and keeps states (DynamoDB) has its own price.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 */
import type { Usage } from '../fold/fold.ts';

export const LAMBDA_ARCHITECTURES = ['x86', 'arm'] as const;
export type LambdaArchitecture = (typeof LAMBDA_ARCHITECTURES)[number];

/** US dollars. */
export interface LambdaPrices {
  perMillionRequests: number;
  perGbSecond: number;
}

/** The first tier, which ends at 6 billion GB-seconds a month. @see {@link LAMBDA_PRICE_LIST} */
export const LAMBDA_PRICES: Readonly<Record<LambdaArchitecture, Readonly<LambdaPrices>>> = {
  x86: { perMillionRequests: 0.2, perGbSecond: 0.0000166667 },
  arm: { perMillionRequests: 0.2, perGbSecond: 0.0000133334 },
};
export const LAMBDA_PRICE_LIST = {
  region: 'us-east-1',
  asOf: '2026-11',
  source: 'https://aws.amazon.com/lambda/pricing/',
} as const;

/** Of an account, each month. */
export const LAMBDA_FREE_TIER = { requests: 1_000_000, gbSeconds: 400_000 } as const;

const MEMORY_MB_MIN = 128;
const MB_PER_GB = 1024;
const BILLED_MS_MIN = 1;
/** What floating point adds to a whole number of milliseconds must not cost one more. */
const ROUNDING_MS = 1e-6;

export const MONTH_MS = 30 * 86_400_000;
/** What was seen for a shorter time says nothing of a month. */
export const ESTIMATE_MS_MIN = 60_000;

export interface LambdaBill {
  requests: number;
  gbSeconds: number;
  usd: number;
}

export const NO_BILL: Readonly<LambdaBill> = { requests: 0, gbSeconds: 0, usd: 0 };

/** The same work in two ways. */
export interface LambdaCost {
  batched: LambdaBill;
  oneByOne: LambdaBill;
}

/** @param used by one function, whose limit is `memoryMb` */
export function lambdaCost(
  used: Pick<Usage, 'invocations' | 'readings' | 'cpuMs'>,
  memoryMb: number,
  prices: LambdaPrices,
): LambdaCost {
  const { invocations, readings, cpuMs } = used;
  return {
    batched: billOf(invocations, cpuMs, memoryMb, prices),
    // Schedules and events are invocations without a reading.
    oneByOne: billOf(Math.max(readings, invocations), cpuMs, memoryMb, prices),
  };
}

/** Of a run, what a million such readings would cost; undefined: it had none. */
export function costOfMillionReadings(
  used: Pick<Usage, 'invocations' | 'readings' | 'cpuMs'>,
  memoryMb: number,
  prices: LambdaPrices,
): LambdaCost | undefined {
  if (used.readings === 0) return undefined;
  const { batched, oneByOne } = lambdaCost(used, memoryMb, prices);
  const factor = 1e6 / used.readings;
  return { batched: timesBill(batched, factor), oneByOne: timesBill(oneByOne, factor) };
}

/** The bill of so many times the work. */
export function timesBill({ requests, gbSeconds, usd }: LambdaBill, factor: number): LambdaBill {
  return { requests: requests * factor, gbSeconds: gbSeconds * factor, usd: usd * factor };
}

export function addBills(a: LambdaBill, b: LambdaBill): LambdaBill {
  return { requests: a.requests + b.requests, gbSeconds: a.gbSeconds + b.gbSeconds, usd: a.usd + b.usd };
}

/** What is left to be paid of the bill of a month of a whole account. */
export function afterFreeTier(bill: LambdaBill, prices: LambdaPrices): LambdaBill {
  const requests = Math.max(0, bill.requests - LAMBDA_FREE_TIER.requests);
  const gbSeconds = Math.max(0, bill.gbSeconds - LAMBDA_FREE_TIER.gbSeconds);
  return { requests, gbSeconds, usd: usdOf(requests, gbSeconds, prices) };
}

function billOf(requests: number, cpuMs: number, memoryMb: number, prices: LambdaPrices): LambdaBill {
  if (requests === 0) return NO_BILL;
  const billedMs = Math.max(BILLED_MS_MIN, Math.ceil(cpuMs / requests - ROUNDING_MS));
  const gb = Math.max(MEMORY_MB_MIN, memoryMb) / MB_PER_GB;
  const gbSeconds = (requests * billedMs * gb) / 1_000;
  return { requests, gbSeconds, usd: usdOf(requests, gbSeconds, prices) };
}

function usdOf(requests: number, gbSeconds: number, { perMillionRequests, perGbSecond }: LambdaPrices): number {
  return (requests / 1e6) * perMillionRequests + gbSeconds * perGbSecond;
}
