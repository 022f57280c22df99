import { LAMBDA_FREE_TIER, LAMBDA_PRICE_LIST, LAMBDA_PRICES } from '@weir/runtime';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import type { LambdaEstimate } from '../answers.ts';
import type { HubClient, Query } from '../client.ts';
import type { Session } from '../session.ts';
import { costCommand, usageCommand } from './function-usage.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 6);

/** Runs a command against a hub that answers this. */
async function run(make: typeof costCommand, answer: object, ...args: string[]) {
  const said = { out: '', note: '', asked: [] as [string, Query | undefined][] };
  const hub = {
    get: async (path: string, query?: Query) => {
      said.asked.push([path, JSON.parse(JSON.stringify(query))]);
      return answer;
    },
  } as unknown as HubClient;
  const session = {
    hub: () => hub,
    out: (text) => (said.out += text),
    note: (text) => (said.note += text),
  } satisfies Partial<Session> as unknown as Session;
  const command = new Command('c').exitOverride();
  make(session, command);
  command.configureOutput({ writeOut: (text) => (said.out += text), writeErr: () => {} });
  await command.parseAsync(args, { from: 'user' }).catch((error) => {
    if (error.code !== 'commander.helpDisplayed') throw error;
  });
  return said;
}

const used = {
  invocations: 1_200,
  readings: 120_000,
  cpuMs: 345.678,
  heapBytesMax: 5_242_880,
  errors: 2,
  outputs: 119_998,
};
const about = { function: 'mean', memoryMb: 64, from: NOW - 3 * DAY, to: NOW };

test('what functions used is a line for each version and place', async () => {
  const items = [{ ...about, ...used, version: '1.0.0', where: 'edge' }];
  const { out, asked } = await run(usageCommand, { since: '2026-11-14', items }, 'mean');
  expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['FUNCTION', 'VERSION', 'WHERE', 'INVOCATIONS', 'READINGS', 'CPU MS', 'PEAK MIB', 'ERRORS', 'OUTPUTS'],
    ['mean', '1.0.0', 'edge', '1200', '120000', '345.7', '5.0', '2', '119998'],
    [''],
  ]);
  expect(asked).toEqual([['/usage', { since: '7d', function: 'mean' }]]);
});

test('what was not used is said so, with since when', async () => {
  const { note } = await run(usageCommand, { since: '2026-11-14', items: [] });
  expect(note).toBe('No function was used since 2026-11-14; devices tell it every few minutes.\n');
  const named = await run(costCommand, { since: '2026-11-14', items: [] }, 'mean');
  expect(named.note).toBe('mean was not used since 2026-11-14.\n');
});

describe('the cost', () => {
  const bill = (usd: number) => ({ requests: 12_000, gbSeconds: 1.5, usd });
  const month = { batched: bill(0.0024567), oneByOne: { requests: 1_200_000, gbSeconds: 150, usd: 0.2425 } };
  const estimate: LambdaEstimate = {
    since: '2026-11-14',
    architecture: 'x86',
    prices: LAMBDA_PRICES.x86,
    priceList: LAMBDA_PRICE_LIST,
    items: [{ ...about, ...used, month }],
    total: month,
    totalAfterFreeTier: { batched: bill(0), oneByOne: bill(0) },
  };

  test('says for how long was measured, at which prices, and both ways', async () => {
    const { out } = await run(costCommand, estimate);
    expect(out).toContain('x86, $0.2 a million requests, $0.0000166667 a GB-second:');
    const row = out.split('\n').find((line) => line.startsWith('mean'))!;
    expect(row.split(/ {2,}/)).toEqual(['mean', '3 d', '128 MB', '12,000', '$0.002457', '1,200,000', '$0.24']);
    expect(out).not.toContain('free tier');
    expect(out).toContain('Without what brings readings there');
  });

  test('shows the free tier and a sum where they are asked for', async () => {
    const short = { ...about, ...used, function: 'new', from: NOW - 5_000 };
    const { out } = await run(costCommand, { ...estimate, items: [...estimate.items, short] }, '--free-tier');
    expect(out).toMatch(/^new +5 s +128 MB +- +- +- +-$/m);
    expect(out).toMatch(/^all .*\$0\.002457 .*\$0\.24$/m);
    expect(out).toMatch(/^less the free tier .*\$0\.00 .*\$0\.00$/m);
  });

  test('is refused when nothing was measured for a minute, and says for how long it was', async () => {
    const items = [{ ...about, ...used, from: NOW - 12_000 }];
    await expect(run(costCommand, { ...estimate, items })).rejects.toThrow('measured for 12 s so far');
    const { out } = await run(costCommand, { ...estimate, items }, '--json');
    expect(JSON.parse(out).items[0]).not.toHaveProperty('month');
  });

  test('is asked for with the prices that were given', async () => {
    const { asked } = await run(costCommand, estimate, '--price-per-million', '0.3', '--price-per-gb-second', '0');
    expect(asked).toEqual([
      ['/usage/lambda-cost', { since: '7d', architecture: 'x86', pricePerMillion: 0.3, pricePerGbSecond: 0 }],
    ]);
    await expect(run(costCommand, estimate, '--price-per-million', 'free')).rejects.toThrow('US dollars');
  });

  test('the help states the prices that are worked with, and where they are from', async () => {
    const { out } = await run(costCommand, estimate, '--help');
    const help = out.replaceAll(/\s+/g, ' ');
    const { x86, arm } = LAMBDA_PRICES;
    expect(help).toContain(
      `of ${LAMBDA_PRICE_LIST.region} in ${LAMBDA_PRICE_LIST.asOf}, from ${LAMBDA_PRICE_LIST.source}:`,
    );
    expect(help).toContain(`$${x86.perMillionRequests} a million requests; $${x86.perGbSecond} a GB-second on x86`);
    expect(help).toContain(`$${arm.perGbSecond} on arm`);
    expect([arm.perMillionRequests, LAMBDA_FREE_TIER.requests]).toEqual([x86.perMillionRequests, 1_000_000]);
  });
});
