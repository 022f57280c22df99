import { join } from 'node:path';
import { type JsonObject, readingsOf } from '@weir/protocols';
import { createFoldHost, createSandbox, type Sandbox } from '@weir/runtime';
import { connectAsync } from 'mqtt';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import { systemClock } from './clock/clock.ts';
import { configSchema } from './config/config.ts';
import { LocalBroker } from './intake/aedes.ts';
import { Users } from './intake/users.ts';
import { sentBatch } from './outbox/sent.fixture.ts';
import { SPOOL_OPTIONS } from './spool/spool.fixture.ts';
import { openSpool } from './spool/spool.ts';
import { metricsText } from './status/metrics.ts';
import { formatStatus } from './status/report.ts';
import { askBuffer, askMetrics, askStatus, orderRenewal, serveStatus } from './status/socket.ts';
import { temporaryFolder } from './temporary-folder.fixture.ts';
import { SigningHub } from './trust/signing-hub.fixture.ts';
import type { LinkEvents, OpenLink } from './uplink/link.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

/** A hub as the agent sees it: a shadow, bundles, and everything that was acknowledged. */
class FakeHub {
  desired: JsonObject = {};
  reported: JsonObject = {};
  readonly files = new SigningHub('gw1', Date.now);
  values: number[] = [];
  alerts: string[] = [];
  isUp = true;
  #version = 1;
  #link: LinkEvents | undefined;

  readonly openLink: OpenLink = (_subscriptions, events) => {
    queueMicrotask(() => {
      if (!this.isUp) return events.onClosed('no hub');
      this.#link = events;
      events.onOpen();
    });
    return {
      publish: async (topic, payload) => {
        if (!this.isUp) throw new Error('gone');
        this.#receive(topic, payload);
      },
      close: () => {},
    };
  };

  /** Wants a rule on the device. */
  want(rule: JsonObject): void {
    const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'rule', rule }));
    const hash = this.files.add(bytes);
    const name = rule.name as string;
    this.wantAll({ [name]: { kind: 'rule', version: '1', hash, bytes: bytes.length } });
  }

  wantAll(deployments: JsonObject): void {
    this.files.want(deployments);
    this.desired = { deployments, statement: this.files.hint };
    this.delta();
  }

  delta(): void {
    this.#version++;
    this.#link?.onMessage('$aws/things/gw1/shadow/name/weir/update/delta', Buffer.from('{}'));
  }

  cut(): void {
    this.isUp = false;
    this.#link?.onClosed('cut');
    this.#link = undefined;
  }

  #receive(topic: string, payload: Uint8Array): void {
    if (topic === '$aws/things/gw1/shadow/name/weir/get') {
      const state = { desired: this.desired, reported: this.reported };
      const body = Buffer.from(JSON.stringify({ state, version: this.#version }));
      this.#link?.onMessage(`${topic}/accepted`, body);
    } else if (topic === '$aws/things/gw1/shadow/name/weir/update') {
      const { state } = JSON.parse(Buffer.from(payload).toString()) as { state: { reported: JsonObject } };
      this.reported = mergeInto(this.reported, state.reported);
    } else {
      const batch = sentBatch(payload);
      if (batch.kind === 'alerts')
        this.alerts.push(...batch.alerts.map(({ state, source }) => `${source.name} ${state}`));
      if (batch.kind === 'readings')
        for (const { value } of readingsOf(batch.columns)) this.values.push(value as number);
    }
  }
}

function mergeInto(into: JsonObject, patch: JsonObject): JsonObject {
  const merged = { ...into };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else if (typeof value === 'object' && !Array.isArray(value)) {
      merged[key] = mergeInto((merged[key] as JsonObject) ?? {}, value);
    } else merged[key] = value;
  }
  return merged;
}

async function startAgent(data: string, hub: FakeHub) {
  const config = configSchema.parse({
    mqtt: { port: 0 },
    uplink: { backoffBase: 10, backoffCap: 100 },
    deploy: { poll: '1s', report: '1s' },
  });
  const agent: Agent = await createAgent(
    {
      clock: systemClock,
      random: Math.random,
      spool: await openSpool(join(data, 'spool.db'), SPOOL_OPTIONS),
      createHost: (onStatus) => createFoldHost({ device: 'gw1', sandbox, onStatus }),
      sandbox,
      trials: sandbox,
      hub,
      sendHttp: () => Promise.reject(new Error('no function asks for anything here')),
      users: new Users([['sensor', 'secret']]),
      openBroker: (ports, limits) => new LocalBroker(ports, limits),
      log: pino({ level: 'silent' }),
      onFatal: (error) => expect.fail(error.message),
    },
    { device: 'gw1', version: '0.0.0', config },
  );
  onTestFinished(() => agent.stop());
  const { mqttPort } = await agent.start();
  const sensor = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { username: 'sensor', password: 'secret' });
  onTestFinished(() => void sensor.end(true));
  const read = async (...values: number[]) => {
    for (const value of values) await sensor.publishAsync('plant/oven1/temperature', `${value}`, { qos: 1 });
  };
  const stop = async () => {
    sensor.end(true);
    await agent.stop();
  };
  return { agent, read, stop };
}

const HOT = { name: 'hot', metric: 'temperature', above: 80, clear: 75, severity: 'critical' };

test('the main job: a rule comes from the hub, readings raise and end an alert, all of it arrives', async () => {
  const hub = new FakeHub();
  const { agent, read } = await startAgent(temporaryFolder(), hub);
  hub.want(HOT);
  await vi.waitFor(() => expect(hub.reported).toMatchObject({ deployments: { hot: { state: 'running' } } }));
  await read(20, 81.5, 79, 70);
  await vi.waitFor(() => expect(hub.alerts).toEqual(['hot firing', 'hot resolved']));
  await vi.waitFor(() => expect(hub.values).toEqual([20, 81.5, 79, 70]));
  await vi.waitFor(() => expect(hub.reported).toMatchObject({ health: { accepted: 4, dropped: 0 } }), 4_000);
  const status = await agent.status();
  expect(status).toMatchObject({ device: 'gw1', accepted: 4, uplink: { state: 'up' }, functions: [{ name: 'hot' }] });
  hub.wantAll({});
  await vi.waitFor(() => expect(hub.reported.deployments).toEqual({}));
});

test('without a hub it boots, runs what it has and keeps what it measures; then everything arrives once', async () => {
  const data = temporaryFolder();
  const hub = new FakeHub();
  const first = await startAgent(data, hub);
  hub.want(HOT);
  await vi.waitFor(() => expect(hub.reported).toMatchObject({ deployments: { hot: { state: 'running' } } }));
  await first.stop();
  hub.isUp = false;
  const second = await startAgent(data, hub);
  await second.read(90);
  await second.stop();
  const third = await startAgent(data, hub);
  await third.read(91, 60);
  expect(hub.values).toEqual([]);
  await vi.waitFor(async () =>
    expect((await third.agent.status()).lanes[0]).toMatchObject({ lane: 'alert', items: 2 }),
  );
  hub.isUp = true;
  await vi.waitFor(() => expect(hub.alerts).toEqual(['hot firing', 'hot resolved']));
  await vi.waitFor(() => expect(hub.values).toEqual([90, 91, 60]));
});

test('a bundle that cannot be had leaves the last good running, and says why', async () => {
  const hub = new FakeHub();
  const { read } = await startAgent(temporaryFolder(), hub);
  hub.want(HOT);
  await vi.waitFor(() => expect(hub.reported).toMatchObject({ deployments: { hot: { state: 'running' } } }));
  hub.want({ ...HOT, above: 200, clear: 190 });
  hub.files.bundles.clear();
  await vi.waitFor(() =>
    expect(hub.reported).toMatchObject({
      deployments: { hot: { state: 'failed', reason: 'the hub answered 404 for the bundle' } },
    }),
  );
  await read(100);
  await vi.waitFor(() => expect(hub.alerts).toEqual(['hot firing']));
});

test('an uplink that is cut loses nothing', async () => {
  const hub = new FakeHub();
  const { read } = await startAgent(temporaryFolder(), hub);
  await read(1, 2);
  await vi.waitFor(() => expect(hub.values).toEqual([1, 2]));
  hub.cut();
  await read(3, 4);
  hub.isUp = true;
  await read(5);
  await vi.waitFor(() => expect(hub.values.toSorted()).toEqual([1, 2, 3, 4, 5]));
});

test('the status is told over a socket that is gone with the agent', async () => {
  const data = temporaryFolder();
  const { agent, read } = await startAgent(data, new FakeHub());
  await read(1);
  const metrics = async () => metricsText(await agent.status(), { residentBytes: 1, cpuSeconds: 2 });
  const told = { status: () => agent.status(), buffer: () => agent.buffer(), renew: () => agent.renew(), metrics };
  const server = await serveStatus(data, told);
  const report = (await askStatus(data))!;
  expect(report).toMatchObject({ device: 'gw1', accepted: 1 });
  expect(formatStatus(report)).toContain('accepted  1 readings');
  expect(formatStatus(report)).not.toContain('ahead of');
  const ahead = formatStatus({ ...report, futureReadings: 3 });
  expect(ahead).toContain("3 readings came with a time ahead of this device's clock");
  expect(await askMetrics(data)).toContain('\nweir_agent_readings_accepted_total 1\n');
  expect(await askBuffer(data)).toMatchObject({
    device: 'gw1',
    uplink: { state: 'open' },
    lanes: [{ lane: 'alert' }, {}, {}, {}],
  });
  await expect(orderRenewal(data)).rejects.toThrow('no certificate to renew');
  await server.stop();
  expect(await askStatus(data)).toBeUndefined();
  expect(await askBuffer(data)).toBeUndefined();
});
