import { connect, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const ROUNDS = 10;
const system = new System();
const receiver = new WebhookReceiver();

beforeAll(async () => {
  await system.startAll();
  await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen());
  await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant');
}, 60_000);

afterAll(async () => {
  receiver.close();
  await system.stop();
}, 30_000);

/**
 * A sensor that counts: each number is sent once and never again, so a number in the store twice is a duplicate of
 * ours, and one that was acknowledged and is not in the store is lost.
 */
class CountingSensor {
  readonly acknowledged = new Set<number>();
  sent = 0;
  #client: MqttClient | undefined;
  #stopped = false;

  async run(): Promise<void> {
    while (!this.#stopped) {
      const client = connect(`mqtt://127.0.0.1:${system.brokerPort}`, {
        username: 'sensor',
        password: system.sensorPassword,
        reconnectPeriod: 0,
        connectTimeout: 2_000,
      });
      this.#client = client;
      client.on('error', () => {});
      client.on('connect', () => this.#pump(client));
      await new Promise<void>((resolve) => client.once('close', () => resolve()));
      client.removeAllListeners('connect');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.end();
  }

  /** Twenty in flight; what was not acknowledged when the connection goes is given up. */
  #pump(client: MqttClient): void {
    const next = () => {
      if (!client.connected || this.#stopped) return;
      const number = this.sent++;
      client.publish('plant/counter/n', `${number}`, { qos: 1 }, (error) => {
        if (!error) this.acknowledged.add(number);
        setTimeout(next, 5);
      });
    };
    for (let i = 0; i < 20; i++) next();
  }
}

/** As a patient sensor does: again until it is acknowledged. */
async function publishUntilAcknowledged(value: string): Promise<void> {
  await eventually(`${value} acknowledged`, async () => {
    const { code } = await system.publish('plant/oven1/temperature', value);
    return code === 0 || undefined;
  });
}

const allStored = () => system.readings('gw1', { sensor: 'counter', metric: 'n' });

test('hub and agent killed with kill -9, in any order, ten times: every acknowledged reading is stored exactly once, every crossing told once', {
  timeout: 300_000,
}, async () => {
  const sensor = new CountingSensor();
  const running = sensor.run();
  for (let round = 0; round < ROUNDS; round++) {
    await publishUntilAcknowledged('90');
    const first = round % 2 === 0 ? 'hub' : 'agent';
    const second = first === 'hub' ? 'agent' : 'hub';
    await system.kill(first);
    // Odd rounds in pairs: sometimes both are dead at once, sometimes one at a time.
    if (round % 4 < 2) await system.kill(second);
    await restart(round % 3 === 0 ? ['agent', 'hub'] : ['hub', 'agent']);
    await publishUntilAcknowledged('60');
    if (round % 4 >= 2) {
      await system.kill(second);
      await restart([second]);
    }
  }
  sensor.stop();
  await running;
  expect(sensor.acknowledged.size).toBeGreaterThan(ROUNDS * 20);

  const stored = await eventually(
    'everything acknowledged in the store',
    async () => {
      const found = await allStored();
      const values = new Set(found.map(({ value }) => value));
      const missing = [...sensor.acknowledged].filter((number) => !values.has(number));
      if (missing.length > 0)
        throw new Error(
          `${missing.length} of ${sensor.acknowledged.size} acknowledged readings are missing, e.g. ${missing.slice(0, 5)}`,
        );
      return found;
    },
    60_000,
  );
  expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
  expect(new Set(stored.map(({ value }) => value)).size).toBe(stored.length);

  const deliveries = await eventually(
    'an end for each firing',
    () => {
      const distinct = receiver.distinct();
      if (distinct.length < ROUNDS * 2) throw new Error(`${distinct.length} of ${ROUNDS * 2} notifications`);
      return distinct;
    },
    60_000,
  );
  expect(deliveries.filter(({ type }) => type === 'alert.firing')).toHaveLength(ROUNDS);
  expect(deliveries.filter(({ type }) => type === 'alert.resolved')).toHaveLength(ROUNDS);
  const alerts = await system.weirJson<{ state: string }[]>('alert', 'list');
  expect(alerts.map(({ state }) => state)).toEqual(Array(ROUNDS).fill('resolved'));
});

async function restart(order: ('hub' | 'agent')[]): Promise<void> {
  for (const which of order) {
    const child = system[which]!;
    if (child.exitCode === null && child.signalCode === null) continue;
    await (which === 'hub' ? system.startHub() : system.startAgent());
  }
}
