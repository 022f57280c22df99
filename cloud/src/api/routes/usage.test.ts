import { NO_USAGE } from '@weir/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { usageChanges } from '../../usage/ledger.ts';
import { type Control, createControl, enrolDevice, ruleBytes } from '../control.fixture.ts';

const NOW = Date.UTC(2026, 10, 21, 6);
const DAY = 86_400_000;

let control: Control;
beforeEach(async () => {
  control = await createControl({ clock: { now: NOW } });
});
afterEach(() => control.close());

async function ask<T>(path: string): Promise<T> {
  const headers = { authorization: `Bearer ${control.apiKey}` };
  return (await control.app.inject({ url: `/api/v1${path}`, headers })).json() as T;
}

async function keep(name: string, daysAgo: number, lastsMs = DAY): Promise<void> {
  const used = { ...NO_USAGE, invocations: 1_000, readings: 100_000, cpuMs: 1_000 };
  const to = NOW - daysAgo * DAY;
  const entry = { function: name, version: '1', memoryMb: 64, from: to - lastsMs, to, ...used };
  const place = { partition: 3, where: 'edge' as const };
  await control.store.write(await usageChanges(control.store, place, [entry], { now: NOW, keepMs: 400 * DAY }));
}

test('what functions used is told of the last week, or of as long as is asked for', async () => {
  for (const daysAgo of [0, 1, 30]) await keep('mean', daysAgo);
  await keep('max', 0);
  const readings = async (query: string) =>
    (await ask<{ items: { function: string; readings: number }[] }>(`/usage${query}`)).items.map(
      ({ function: name, readings }) => `${name} ${readings}`,
    );
  expect(await readings('')).toEqual(['max 100000', 'mean 200000']);
  expect(await readings('?since=60d&function=mean')).toEqual(['mean 300000']);
  expect(await readings('?since=1m&function=mean')).toEqual(['mean 100000']);
  expect(await ask('/usage?since=soon')).toMatchObject({ error: { code: 'request-invalid' } });
});

test('an estimate says its prices and from when to when was measured; prices may be given', async () => {
  await keep('mean', 0, 3 * DAY);
  const listed = await ask('/usage/lambda-cost?architecture=arm');
  expect(listed).toMatchObject({
    architecture: 'arm',
    prices: { perMillionRequests: 0.2, perGbSecond: 0.0000133334 },
    priceList: { region: 'us-east-1', source: expect.stringContaining('aws.amazon.com') },
    items: [{ function: 'mean', from: NOW - 3 * DAY, to: NOW, memoryMb: 64 }],
  });
  const given = await ask('/usage/lambda-cost?pricePerMillion=10&pricePerGbSecond=0');
  expect(given).toMatchObject({
    prices: { perMillionRequests: 10, perGbSecond: 0 },
    items: [{ month: { batched: { requests: 10_000, usd: 0.1 }, oneByOne: { requests: 1_000_000, usd: 10 } } }],
    totalAfterFreeTier: { batched: { usd: 0 }, oneByOne: { usd: 0 } },
  });
  expect(await ask('/usage/lambda-cost?pricePerMillion=-1')).toMatchObject({ error: { code: 'request-invalid' } });
});

test('a function that is deployed is measured up to now, also while it has nothing to do', async () => {
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  const { hash } = await control.fleet.putBundle(ruleBytes({ name: 'mean' }));
  await control.fleet.deploy({ group: 'ovens', hash, where: 'edge', config: {} });
  await keep('mean', 2);
  await keep('gone', 2);
  const { items } = await ask<{ items: { function: string; to: number }[] }>('/usage/lambda-cost');
  expect(items.map(({ function: name, to }) => [name, to])).toEqual([
    ['gone', NOW - 2 * DAY],
    ['mean', NOW],
  ]);
});
