import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type AlertTransition, columnsOf, type Reading, readingsOf } from '@weir/protocols';
import {
  type BuiltBundle,
  buildFunctionBundle,
  buildRuleBundle,
  createFoldHost,
  createSandbox,
  type FoldHost,
  type Sandbox,
  type StepOutput,
} from '@weir/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';

const T0 = 1_700_000_000_000;
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

async function hostOf({ bundle, hash }: BuiltBundle, config = {}): Promise<FoldHost> {
  const name = bundle.kind === 'function' ? bundle.manifest.name : bundle.rule.name;
  const host = createFoldHost({ device: 'gw1', sandbox });
  await host.deploy([{ name, bundle, hash, config }], new Map(), '0', T0);
  expect(host.status()).toMatchObject([{ state: 'running' }]);
  return host;
}

const step = (host: FoldHost, readings: Reading[]): Promise<StepOutput> =>
  host.step({ position: `${readings[0]!.ts}`, receivedAt: readings.at(-1)!.ts, columns: columnsOf(readings) });

const at = (second: number, sensor: string, metric: string, value: number | boolean): Reading => ({
  sensor,
  metric,
  value,
  ts: T0 + second * 1000,
});
const told = (alerts: AlertTransition[]) => alerts.map(({ state, ts }) => `${state}@${(ts - T0) / 1000}`);

test('moving-average smooths each sensor by itself', async () => {
  const host = await hostOf(await buildFunctionBundle(path('functions/moving-average.ts')), { window: 2 });
  const { emitted } = await step(host, [
    at(0, 'oven1', 'temperature', 10),
    at(0, 'oven2', 'temperature', 50),
    at(1, 'oven1', 'temperature', 20),
    at(2, 'oven1', 'temperature', 40),
  ]);
  expect([...readingsOf(emitted)].map(({ sensor, metric, value }) => `${sensor} ${metric} ${value}`)).toEqual([
    'oven1 temperature_avg 10',
    'oven2 temperature_avg 50',
    'oven1 temperature_avg 15',
    'oven1 temperature_avg 30',
  ]);
});

test('door-watch alerts by the clock, flashes the lamp, and ends both when the door is closed', async () => {
  const host = await hostOf(await buildFunctionBundle(path('functions/door-watch.ts')), { seconds: 30 });
  await step(host, [at(0, 'coldroom1', 'door_open', true)]);
  const ticks = [];
  for (const second of [1, 20, 31]) ticks.push(await host.tick(T0 + second * 1000, `t${second}`));
  expect(ticks.flatMap(({ alerts }) => told(alerts))).toEqual(['firing@31']);
  expect(ticks.at(-1)!.publishes).toMatchObject([{ topic: 'cmd/coldroom1/lamp', payload: '{"flash":true}' }]);
  const closed = await step(host, [at(40, 'coldroom1', 'door_open', false)]);
  expect(told(closed.alerts)).toEqual(['resolved@40']);
  expect(closed.publishes).toMatchObject([{ payload: '{"flash":false}' }]);
});

test('oven-too-hot fires over 80 and ends under 75', async () => {
  const host = await hostOf(await buildRuleBundle(path('rules/oven-too-hot.yaml')));
  const values = [79, 81.5, 78, 74.9];
  const { alerts } = await step(
    host,
    values.map((value, second) => at(second, 'oven1', 'temperature', value)),
  );
  expect(told(alerts)).toEqual(['firing@1', 'resolved@3']);
});

test('cold-room-warm forgives an open door, not a minute of warmth', async () => {
  const host = await hostOf(await buildRuleBundle(path('rules/cold-room-warm.yaml')));
  const run = (from: number, values: number[]) =>
    step(
      host,
      values.map((value, i) => at(from + i * 30, 'coldroom1', 'temperature', value)),
    );
  expect(told((await run(0, [9, 5])).alerts)).toEqual([]);
  expect(told((await run(100, [9, 9, 9, 5])).alerts)).toEqual(['firing@160', 'resolved@190']);
});

test('every example has a test here', () => {
  const names = [...readdirSync(path('functions')), ...readdirSync(path('rules'))].map((name) =>
    name.replace(/\.\w+$/, ''),
  );
  expect(names.sort()).toEqual(['cold-room-warm', 'door-watch', 'moving-average', 'oven-too-hot']);
});
