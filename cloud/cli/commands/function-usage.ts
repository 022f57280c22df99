/** What functions used, and what the same work would cost on AWS Lambda. */
import { type Command, InvalidArgumentError } from 'commander';
import type { LambdaCost, LambdaEstimate, UsageAnswer } from '../answers.ts';
import { Failure } from '../failure.ts';
import { examples, listing, oneOf, type Session } from '../session.ts';
import { dollars, lasting, table } from '../table.ts';

interface UsageOptions {
  since: string;
  json?: boolean;
}

interface CostOptions extends UsageOptions {
  arch: string;
  pricePerMillion?: number;
  pricePerGbSecond?: number;
  freeTier?: boolean;
}

const SINCE = 'how far back, such as 24h or 30d; whole days of UTC';

export function usageCommand(session: Session, command: Command): void {
  command
    .description('what functions used: on devices, as they told it, and in the hub')
    .argument('[name]', 'of one function')
    .option('--since <duration>', SINCE, '7d')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir fn usage', 'weir fn usage moving-average --since 30d --json'))
    .action(async (name: string | undefined, { since, ...options }: UsageOptions) => {
      const { items, ...answer } = await session.hub().get<UsageAnswer>('/usage', { since, function: name });
      listing(session, options, items, {
        empty: `${nothingOf(name)} since ${answer.since}; devices tell it every few minutes.`,
        heading: ['FUNCTION', 'VERSION', 'WHERE', 'INVOCATIONS', 'READINGS', 'CPU MS', 'PEAK MIB', 'ERRORS', 'OUTPUTS'],
        texts: [0, 1],
        row: (each) => [
          each.function,
          each.version,
          each.where,
          String(each.invocations),
          String(each.readings),
          each.cpuMs.toFixed(1),
          (each.heapBytesMax / MIB).toFixed(1),
          String(each.errors),
          String(each.outputs),
        ],
      });
    });
}

function nothingOf(name: string | undefined): string {
  return name === undefined ? 'No function was used' : `${name} was not used`;
}

/** The prices are those of runtime/src/usage/lambda-cost.ts. */
const MODEL = `
The model: so many requests at a price a million, and so many GB-seconds at a price each.
  requests     as Weir batches, one for each invocation; or one by one, one for each reading
  duration     the processor time measured, spread evenly over the requests, each rounded up to 1 ms
  memory       the limit of the function, 128 MB at least
  prices       of us-east-1 in 2026-11, from https://aws.amazon.com/lambda/pricing/:
               $0.2 a million requests; $0.0000166667 a GB-second on x86, $0.0000133334 on arm
  30 days      in proportion to the time measured, which must be a minute at least
It is a lower bound. Below 1769 MB Lambda gives less than one processor, starts are billed too, and what
brings readings there (IoT Core, Kinesis) and keeps states (DynamoDB) has prices of its own: none of it is
part of this.
`;

export function costCommand(session: Session, command: Command): void {
  command
    .description('what the same work would cost on AWS Lambda in 30 days')
    .argument('[name]', 'of one function')
    .option('--since <duration>', SINCE, '7d')
    .option('--arch <architecture>', 'x86 or arm', oneOf('x86', 'arm'), 'x86')
    .option('--price-per-million <usd>', 'of requests, instead of the list price', usd)
    .option('--price-per-gb-second <usd>', 'instead of the list price', usd)
    .option('--free-tier', 'show also what is left after what an account has for nothing each month')
    .option('--json', 'print JSON')
    .addHelpText('after', MODEL + examples('weir fn cost', 'weir fn cost moving-average --arch arm --free-tier'))
    .action(async (name: string | undefined, options: CostOptions) => {
      const { since, arch: architecture, pricePerMillion, pricePerGbSecond } = options;
      const query = { since, function: name, architecture, pricePerMillion, pricePerGbSecond };
      const estimate = await session.hub().get<LambdaEstimate>('/usage/lambda-cost', query);
      if (options.json) session.out(`${JSON.stringify(estimate, null, 2)}\n`);
      else if (estimate.items.length > 0) session.out(estimateText(estimate, options.freeTier ?? false));
      else session.note(`${nothingOf(name)} since ${estimate.since}.\n`);
    });
}

const MIB = 1_048_576;
const LAMBDA_MB_MIN = 128;

/** @throws {Failure} when nothing was measured for long enough */
function estimateText(estimate: LambdaEstimate, freeTier: boolean): string {
  const { items, architecture, prices, total, totalAfterFreeTier } = estimate;
  if (items.every(({ month }) => month === undefined)) {
    const longest = Math.max(...items.map(({ from, to }) => to - from));
    throw new Failure(
      `measured for ${lasting(Math.round(longest / 1_000))} so far: too short a time to say anything of a month`,
      'ask again when it was a minute; devices tell what they used every few minutes',
    );
  }
  const rows = items.map((each) => [
    each.function,
    lasting(Math.round((each.to - each.from) / 1_000)),
    `${Math.max(LAMBDA_MB_MIN, each.memoryMb)} MB`,
    ...(each.month === undefined ? ['-', '-', '-', '-'] : costCells(each.month)),
  ]);
  if (items.length > 1) rows.push(['all', '', '', ...costCells(total)]);
  if (freeTier) rows.push(['less the free tier', '', '', ...costCells(totalAfterFreeTier)]);
  const { perMillionRequests, perGbSecond } = prices;
  const priced = `${architecture}, $${perMillionRequests} a million requests, $${perGbSecond.toFixed(10)} a GB-second`;
  const heading = ['FUNCTION', 'MEASURED', 'MEMORY', 'INVOCATIONS', 'AS BATCHED', 'READINGS', 'ONE BY ONE'];
  const text = `On AWS Lambda in 30 days, in proportion to the time measured; ${priced}:\n\n${table(heading, rows, [0])}`;
  return `${text}\nWithout what brings readings there and keeps states. How it is worked out: weir fn cost --help\n`;
}

function costCells({ batched, oneByOne }: LambdaCost): string[] {
  return [
    Math.round(batched.requests).toLocaleString('en-US'),
    dollars(batched.usd),
    Math.round(oneByOne.requests).toLocaleString('en-US'),
    dollars(oneByOne.usd),
  ];
}

function usd(text: string): number {
  const price = Number(text);
  if (text.trim() !== '' && Number.isFinite(price) && price >= 0) return price;
  throw new InvalidArgumentError('a price in US dollars is wanted, such as 0.2.');
}
