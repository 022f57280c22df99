import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const ROUNDS = 6;
const READINGS_PER_ROUND = 200;
const system = new System();

interface UsageRow {
  function: string;
  where: string;
  invocations: number;
  readings: number;
  cpuMs: number;
  errors: number;
  outputs: number;
}

/** Emits every tenth number, and does not take those that end in 99. */
const source = (name: string) => `
  import { defineFunction } from '@weir/runtime/author';
  export default defineFunction({ name: '${name}', version: '1.0.0', inputs: [{ sensor: 'counter' }],
    reading(r, ctx) {
      if (Number(r.value) % 100 === 99) throw new Error('ends in 99');
      if (Number(r.value) % 10 === 0) ctx.emit({ sensor: '${name}', metric: 'tenth', value: r.value });
    } });`;

beforeAll(async () => {
  // Who kills here are the tests, and not what was deployed a moment before.
  const trial = 'deploy: { trial: { endsMax: 0 } }';
  system.agentConfig = system.file('agent.yaml', `usage: { report: 1s }\nmetrics: { port: 0 }\n${trial}\n`);
  await system.startAll();
  await system.weir('fn', 'deploy', system.file('at-edge.ts', source('at-edge')), '--group', 'plant');
  const inCloud = ['fn', 'deploy', system.file('in-cloud.ts', source('in-cloud')), '--group', 'plant'];
  await system.weir(...inCloud, '--where', 'cloud');
});

afterAll(() => system.stop());

/** Sends so many numbers, none of them twice, until half are acknowledged. @returns how many were */
async function sendUntilHalf(from: number): Promise<number> {
  const client = connect(`mqtt://127.0.0.1:${system.brokerPort}`, {
    username: 'sensor',
    password: system.sensorPassword,
    reconnectPeriod: 0,
  });
  let acknowledged = 0;
  client.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    client.once('close', () => reject(new Error('the connection was closed')));
    client.once('connect', () => {
      for (let n = from; n < from + READINGS_PER_ROUND; n++) {
        client.publish('plant/counter/n', `${n}`, { qos: 1 }, (error) => {
          if (!error && ++acknowledged >= READINGS_PER_ROUND / 2) resolve();
        });
      }
    });
  });
  void client.endAsync(true);
  return acknowledged;
}

async function storedCount(): Promise<number> {
  return (await system.api<{ count: number }>('/devices/gw1/readings/count?sensor=counter')).count;
}

async function usage(): Promise<UsageRow[]> {
  return system.weirJson<UsageRow[]>('fn', 'usage');
}

/** What is in the store is what both functions took, to the reading. */
async function isExact(atLeast: number): Promise<UsageRow[] | undefined> {
  const [stored, rows] = [await storedCount(), await usage()];
  if (stored < atLeast) throw new Error(`${stored} of ${atLeast} are stored`);
  const counted = rows.map((row) => `${row.function} ${row.where} ${row.readings}`);
  const expected = [`at-edge edge ${stored}`, `in-cloud cloud ${stored}`];
  if (counted.join() !== expected.join()) throw new Error(`counted ${counted.join(', ')}; stored ${stored}`);
  return rows;
}

test('agent and hub killed with kill -9 while they count: the sums are the readings in the store, none lost and none twice', {
  timeout: 240_000,
}, async () => {
  let acknowledged = 0;
  for (let round = 0; round < ROUNDS; round++) {
    acknowledged += await sendUntilHalf(round * READINGS_PER_ROUND);
    await system.kill('agent');
    if (round % 2 === 1) {
      await system.kill('hub');
      await system.startHub();
    }
    await system.startAgent();
  }
  await eventually('exact sums', () => isExact(acknowledged), 90_000);
  // What was counted twice would be there for ever; so it is looked at again when more was told.
  const more = await sendUntilHalf(ROUNDS * READINGS_PER_ROUND);
  const rows = await eventually('exact sums after more readings', () => isExact(acknowledged + more), 60_000);
  for (const { invocations, readings, cpuMs, errors, outputs } of rows) {
    expect(invocations).toBeLessThanOrEqual(readings);
    expect(errors).toBeLessThanOrEqual(invocations);
    expect(outputs).toBeGreaterThan(readings / 11);
    expect(cpuMs).toBeGreaterThan(0);
  }
});

test('the same is told to Prometheus by the hub and by the agent, and priced', async () => {
  await sendUntilHalf((ROUNDS + 1) * READINGS_PER_ROUND);
  const { url, apiKey } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8'));
  const labels = 'function="at-edge",version="1.0.0"';
  await eventually('metrics of the hub', async () => {
    const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${apiKey}` } });
    return (await response.text()).includes(`weir_function_readings_total{${labels},where="edge"} `) || undefined;
  });
  const scraped = await (await fetch(`http://127.0.0.1:${system.metricsPort}/metrics`)).text();
  expect(scraped).toMatch(new RegExp(`^weir_agent_function_readings_total\\{${labels}\\} [1-9]`, 'm'));
  const printed = await system.run('weir-agent', 'status', '--metrics', '--data', system.agentData);
  expect(printed.stdout).toMatch(/^weir_agent_uplink_up 1$/m);
  const cost = await system.weirJson<{ items: { function: string; readings: number }[] }>('fn', 'cost', 'at-edge');
  expect(cost.items).toMatchObject([{ function: 'at-edge', readings: expect.any(Number) }]);
});
