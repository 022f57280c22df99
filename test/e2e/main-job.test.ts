import { readFileSync } from 'node:fs';
import { columnsOf, encodeBatch } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { listeningAddresses } from './listening.ts';

const system = new System();
const receiver = new WebhookReceiver();
/** Everything secret that the commands handed out; must be found nowhere else. */
const secrets: string[] = [];

interface AgentStatus {
  accepted: number;
  refused: Record<string, number>;
  folds: { name: string; state: string; reason?: string }[];
}

interface DeploymentRow {
  device: string;
  name: string;
  state: string;
  reported?: { state: string; reason?: string };
}

beforeAll(async () => {
  await system.startHub();
  await system.weir('group', 'create', 'plant');
  const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  secrets.push(token.split('.')[1]!);
  const url = `https://127.0.0.1:${system.hubPorts.device}`;
  const joined = await system.run(
    'weir-agent',
    'join',
    url,
    '--token',
    token,
    '--name',
    'gw1',
    '--data',
    system.agentData,
  );
  expect(joined).toMatchObject({ code: 0 });
  await system.startAgent();
  const hook = await system.weirJson<{ secret: string }>(
    'channel',
    'add',
    'hook',
    '--webhook',
    await receiver.listen(),
  );
  secrets.push(hook.secret, system.sensorPassword);
  await system.weir('fn', 'deploy', exampleFile('functions/moving-average.ts'), '--group', 'plant');
  await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant');
});

afterAll(async () => {
  receiver.close();
  await system.stop();
});

const publish = async (topic: string, payload: string) => {
  expect(await system.publish(topic, payload)).toMatchObject({ code: 0 });
};
const told = () => receiver.deliveries.map(({ type }) => type);
const statusOf = async (name: string): Promise<DeploymentRow | undefined> =>
  (await system.weirJson<DeploymentRow[]>('deploy', 'status', name)).find(({ device }) => device === 'gw1');
const stored = (sensor: string, metric: string) => system.readings('gw1', { sensor, metric });

test('the deployments run on the gateway, and `weir deploy status` says so', async () => {
  for (const name of ['moving-average', 'oven-too-hot']) {
    expect(await statusOf(name)).toMatchObject({ state: 'running' });
  }
});

test('a hot value raises the alert once, a value under the clear level ends it once', async () => {
  await publish('plant/oven1/temperature', '81.5');
  await eventually('the firing', () => told().includes('alert.firing') || undefined);
  await publish('plant/oven1/temperature', '77');
  await publish('plant/oven1/temperature', '74.5');
  await eventually('the end', () => told().includes('alert.resolved') || undefined);
  await publish('plant/oven1/temperature', '70');
  await eventually(
    'all four in the store',
    async () => (await stored('oven1', 'temperature')).length === 4 || undefined,
  );
  expect(told()).toEqual(['alert.firing', 'alert.resolved']);
  const [firing, resolved] = receiver.deliveries;
  expect(firing!.data).toMatchObject({
    device: 'gw1',
    sensor: 'oven1',
    metric: 'temperature',
    value: 81.5,
    severity: 'critical',
  });
  expect(firing!.key).toBe(`${firing!.data.episode}-1`);
  expect(resolved!.key).toBe(`${firing!.data.episode}-2`);
});

test('the function ran at the edge: what it computed is in the store', async () => {
  const values = await eventually('the averages', async () => {
    const items = await stored('oven1', 'temperature_avg');
    return items.length === 4 ? items.map(({ value }) => value) : undefined;
  });
  expect(values).toEqual([81.5, 79.25, 77.67, 75.75]);
});

describe('bad input is refused with a counted reason, and the stream goes on', () => {
  const batch = (version: number) => {
    const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 1_700_000_000_000 }]);
    const bytes = encodeBatch({ kind: 'readings', epoch: 'e', seq: 0, count: 1, columns });
    // The map's first entry is "v": 1.
    bytes[3] = version;
    return bytes;
  };
  const junk = Buffer.alloc(1_000_000, 'x');
  const cases: [string, string, string | Uint8Array, RegExp][] = [
    ['a word that is no number', 'plant/oven1/temperature', 'hot', /invalid-json|not-a-value/],
    ['NaN', 'plant/oven1/temperature', 'NaN', /not-finite/],
    ['1e400', 'plant/oven1/temperature', '1e400', /not-finite/],
    ['broken JSON', 'plant/oven1/temperature', '{"value": 1', /invalid-json/],
    ['an unknown topic', 'nowhere/at/all', '1', /unknown-topic/],
    ['a batch of a wrong version', 'plant/oven1/temperature', batch(9), /version/],
    ['a truncated batch', 'plant/oven1/temperature', batch(1).subarray(0, 20), /truncated/],
    ['1 MB of junk', 'plant/oven1/temperature', junk, /too-large/],
  ];
  for (const [title, topic, payload, reason] of cases) {
    test(title, async () => {
      const count = async () => {
        const { refused } = await system.agentStatus<AgentStatus>();
        return Object.entries(refused)
          .filter(([name]) => reason.test(name))
          .reduce((sum, [, n]) => sum + n, 0);
      };
      const before = await count();
      await system.publish(topic, payload);
      await eventually('the count', async () => ((await count()) > before ? true : undefined));
    });
  }

  test('readings after all that are stored', async () => {
    const { accepted } = await system.agentStatus<AgentStatus>();
    await publish('plant/oven9/temperature', '{"value": 21.5, "unit": "Cel"}');
    await eventually('it in the store', async () => (await stored('oven9', 'temperature')).length === 1 || undefined);
    expect((await system.agentStatus<AgentStatus>()).accepted).toBe(accepted + 1);
  });
});

describe('a function that misbehaves is contained, reported, and its neighbours go on', () => {
  const source = (name: string, body: string) => `
    import { defineFunction } from '@weir/runtime/author';
    export default defineFunction({ name: '${name}', version: '1.0.0', inputs: [{ sensor: 'bad' }], timeoutMs: 50, memoryMb: 16,
      reading(r) { ${body} } });`;
  const cases: [string, string, RegExp][] = [
    ['loops', 'for (;;);', /timed-out/],
    ['eats-memory', 'const a: unknown[] = []; for (;;) a.push(new Array(1000).fill(r));', /memory|timed-out|crashed/],
    ['throws', 'throw new Error("boom " + r.value);', /boom/],
  ];
  for (const [name, body, reason] of cases) {
    test(name, async () => {
      await system.weir('fn', 'deploy', system.file(`${name}.ts`, source(name, body)), '--group', 'plant');
      let n = 0;
      const status = await eventually('quarantine in the shadow', async () => {
        await publish('plant/bad/value', `${n++}`);
        const row = await statusOf(name);
        return row?.state === 'quarantined' ? row : undefined;
      });
      expect(status.reported?.reason).toMatch(reason);
      expect(await system.weir('device', 'show', 'gw1')).toMatch(new RegExp(`${name}.*quarantined`));
      const before = (await stored('oven1', 'temperature_avg')).length;
      await publish('plant/oven1/temperature', '60');
      await eventually(
        'the neighbour',
        async () => (await stored('oven1', 'temperature_avg')).length === before + 1 || undefined,
      );
    });
  }
});

test('nothing listens beyond 127.0.0.1', () => {
  const addresses = [system.hub!.pid!, system.agent!.pid!].flatMap(listeningAddresses);
  expect(addresses.length).toBeGreaterThanOrEqual(4);
  expect([...new Set(addresses)]).toEqual(['127.0.0.1']);
});

test('no secret is in a log, and none but the owner can read those that are kept', async () => {
  const { apiKey } = JSON.parse(readFileSync(`${system.hubData}/cli.json`, 'utf8')) as { apiKey: string };
  const joinSecret = secrets[0]!;
  for (const secret of [...secrets, apiKey]) expect(system.output).not.toContain(secret);
  expect(system.output).not.toContain('PRIVATE KEY');
  // A join secret is kept as its hash only.
  for (const { path, text } of system.dataFiles()) expect([path, text.includes(joinSecret)]).toEqual([path, false]);
  for (const { path, mode } of system.dataFiles()) expect([path, mode & 0o077]).toEqual([path, 0]);
});
