import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';
import { OrderDesk } from './order-desk.ts';

const system = new System();
const desk = new OrderDesk();
let sent = 0;

/** Orders something for each reading, and emits what the answer says. */
const functionFile = (name: string, url: string, retries = 10) =>
  system.file(
    `${name}.ts`,
    `export default {
      name: '${name}',
      version: '1.0.0',
      inputs: [{ sensor: 'counter', metric: 'n' }],
      requests: ['${url}/orders/*'],
      reading(reading, ctx) {
        ctx.request({ name: 'order', url: '${url}/orders/${name}', body: { n: reading.value }, retries: ${retries} });
      },
      response(response, ctx) {
        if (response.status !== 200) return ctx.log.warn(response.error);
        ctx.emit({ sensor: '${name}', metric: 'ordered', value: JSON.parse(response.body).n });
      },
    };`,
  );

beforeAll(async () => {
  await desk.listen();
  const { url } = desk;
  const allow = `functions: { requests: { allow: ["${url}/orders/*"] } }\n`;
  system.hubConfig = system.file('hub.yaml', allow);
  // Who kills here are the tests, and not what was deployed a moment before.
  system.agentConfig = system.file('agent.yaml', `${allow}deploy: { trial: { endsMax: 0 } }\n`);
  await system.startAll();
  await system.weir('fn', 'deploy', functionFile('order-edge', url), '--group', 'plant');
  await system.weir('fn', 'deploy', functionFile('order-cloud', url), '--group', 'plant', '--where', 'cloud');
});

afterAll(async () => {
  desk.close();
  await system.stop();
});

const SOURCES = ['order-edge', 'order-cloud'];

/** Until it is acknowledged, as a patient sensor does: an acknowledgement that a kill took away makes it send twice. */
async function publishNext(): Promise<void> {
  const number = sent++;
  await eventually(`${number} acknowledged`, async () => {
    const { code } = await system.publish('plant/counter/n', `${number}`);
    return code === 0 || undefined;
  });
}

async function stored(sensor: string, metric: string): Promise<number[]> {
  return (await system.readings('gw1', { sensor, metric })).map(({ value }) => value).sort((a, b) => a - b);
}

/** For each reading in the store the answer to its order has had its effect once, at the edge and in the hub. */
async function expectEachOnce(): Promise<void> {
  for (const source of SOURCES) {
    await eventually(`what ${source} ordered, each once`, async () => {
      const [readings, ordered] = [await stored('counter', 'n'), await stored(source, 'ordered')];
      const isAllThere = new Set(readings).size === sent;
      if (isAllThere && JSON.stringify(ordered) === JSON.stringify(readings)) return true;
      throw new Error(`${ordered} ordered for ${readings}`);
    });
  }
}

test('a request that fails twice is answered at the third attempt, and what the function makes of it reaches the store', async () => {
  desk.failures = 2;
  await publishNext();
  await publishNext();
  await expectEachOnce();
  expect([...desk.attempts.values()]).toEqual([3, 3, 3, 3]);
});

test('agent and hub killed with kill -9 while they wait for an answer ask again under the same key, and it counts once', async () => {
  desk.failures = 0;
  const before = desk.attempts.size;
  const held = new Set<string>();
  desk.onOrder = ({ key }) => held.add(key);
  await publishNext();
  await eventually('an order of each held', () => held.size === 2 || undefined);
  await Promise.all([system.kill('agent'), system.kill('hub')]);
  desk.onOrder = (order) => desk.answer(order);
  await system.startHub();
  await system.startAgent();
  await expectEachOnce();
  expect(desk.attempts.size).toBe(before + 2);
  for (const key of held) expect(desk.attempts.get(key)).toBe(2);
});

test('agent and hub killed with kill -9 as an answer arrives, again and again: each answer counts once', {
  timeout: 240_000,
}, async () => {
  for (const which of ['agent', 'hub', 'agent', 'hub'] as const) {
    const source = which === 'agent' ? 'order-edge' : 'order-cloud';
    const killed = Promise.withResolvers<unknown>();
    desk.onOrder = (order) => {
      desk.answer(order);
      if (order.key.includes(source)) killed.resolve(system.kill(which));
    };
    await publishNext();
    await killed.promise;
    desk.onOrder = (order) => desk.answer(order);
    if (which === 'agent') await system.startAgent();
    else await system.startHub();
  }
  await expectEachOnce();
});

test('a request that was given up is sent again when an operator says so, under the key it had', async () => {
  const { url } = desk;
  await system.weir('fn', 'deploy', functionFile('order-hasty', url, 0), '--group', 'plant', '--where', 'cloud');
  desk.failures = 1;
  await publishNext();
  const letters = await eventually('a dead letter', async () => {
    const found = await system.weirJson<{ function: string }[]>('fn', 'dead-letters', 'list', 'order-hasty');
    return found.length > 0 ? found : undefined;
  });
  expect(letters).toMatchObject([{ function: 'order-hasty', where: 'cloud', handler: 'request' }]);
  const keys = [...desk.attempts.keys()].filter((key) => key.includes('order-hasty'));
  expect(keys.map((key) => desk.attempts.get(key))).toEqual([1]);
  await system.weir('fn', 'dead-letters', 'replay', 'order-hasty', '--all');
  await eventually('what was ordered', async () => (await stored('order-hasty', 'ordered')).length === 1 || undefined);
  expect(desk.attempts.get(keys[0]!)).toBe(2);
  await expectEachOnce();
});
