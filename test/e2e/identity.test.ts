import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CountingSensor } from '../support/counting-sensor.ts';
import { eventually, System } from '../support/system.ts';

interface Identity {
  key: string;
  certificate: string;
}

const identityIn = (data: string) =>
  JSON.parse(readFileSync(join(data, 'credentials', 'identity.json'), 'utf8')) as Identity;

/** The private key as it might lie about: as text, as its number in bytes, hexadecimal or base64. */
function tracesOf(pem: string): string[] {
  const { d } = createPrivateKey(pem).export({ format: 'jwk' }) as { d: string };
  const number = Buffer.from(d, 'base64url');
  const body = pem.replace(/-----[^-]+-----|\s/g, '');
  return [body, body.slice(40, 100), d, number.toString('base64'), number.toString('hex'), number.toString('latin1')];
}

describe('a device that is revoked while readings come', () => {
  const system = new System();
  beforeAll(() => system.startAll());
  afterAll(() => system.stop());

  const isConnected = async () =>
    (await system.api<{ presence?: { connected: boolean } }>('/devices/gw1')).presence?.connected;
  const stored = async () =>
    new Set((await system.readings('gw1', { sensor: 'counter', metric: 'n' })).map(({ value }) => value));

  test('is cut off within five seconds, nothing of it is taken any more, and all of it comes when it has joined again', async () => {
    const sensor = new CountingSensor({
      name: 'counter',
      at: () => ({ port: system.brokerPort, password: system.sensorPassword }),
      perSecond: 200,
      inFlightMax: 50,
    });
    sensor.start();
    await eventually('readings come', async () => (await stored()).size > 100 || undefined);
    const { key } = identityIn(system.agentData);
    const from = performance.now();
    const told = await system.weir('device', 'revoke', 'gw1');
    expect(told).toContain('weir token create --group plant --replace');
    await eventually('it is cut off', async () => (await isConnected()) === false || undefined, 5_000);
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(await system.weir('device', 'list')).toContain('revoked');
    const command = await system.run('weir', 'device', 'command', 'gw1', 'reboot', '--hub-data', system.hubData);
    expect([command.code, command.stderr]).toEqual([2, expect.stringContaining('was revoked')]);
    // What was acknowledged before is worked off; then there is no more, though the sensor goes on.
    await sleep(2_000);
    const before = (await stored()).size;
    const acknowledged = sensor.acknowledged.size;
    await eventually('the sensor goes on', () => sensor.acknowledged.size > acknowledged + 400 || undefined);
    expect((await stored()).size).toBe(before);
    const metrics = await system.weirJson<{ presence: { connected: boolean } }>('device', 'show', 'gw1');
    expect(metrics.presence.connected).toBe(false);

    await system.kill('agent');
    const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant', '--replace');
    const url = `https://127.0.0.1:${system.hubPorts.device}`;
    const again = ['join', url, '--token', token, '--name', 'gw1', '--data', system.agentData];
    expect((await system.run('weir-agent', ...again)).stderr).toContain('enrolled already');
    expect((await system.run('weir-agent', ...again, '--force')).code).toBe(0);
    expect(identityIn(system.agentData).key).not.toBe(key);
    await system.startAgent();
    await eventually('readings come again', () => sensor.acknowledged.size > acknowledged + 600 || undefined);
    await sensor.stop();
    await eventually('all that was acknowledged is stored', async () => {
      const values = await stored();
      const missing = [...sensor.acknowledged].filter((number) => !values.has(number));
      if (missing.length > 0) throw new Error(`${missing.length} of ${sensor.acknowledged.size} are missing`);
      return true;
    });
    const readings = await system.readings('gw1', { sensor: 'counter', metric: 'n' });
    expect(new Set(readings.map(({ value }) => value)).size).toBe(readings.length);
  });

  test('its key has never been with the hub, nor in what either of them wrote', () => {
    const traces = tracesOf(identityIn(system.agentData).key);
    const elsewhere = system.dataFiles().filter(({ path }) => !path.endsWith('identity.json'));
    const found = [...elsewhere, { path: 'output', text: system.output }].filter(({ text }) =>
      traces.some((trace) => text.includes(trace)),
    );
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  test('is removed: its name is free, its readings stay', async () => {
    await system.kill('agent');
    const before = (await stored()).size;
    await system.weir('device', 'remove', 'gw1');
    expect(await system.weirJson<unknown[]>('device', 'list')).toEqual([]);
    expect((await stored()).size).toBe(before);
    const gone = await system.run('weir', 'device', 'revoke', 'gw1', '--hub-data', system.hubData);
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('there is no device "gw1"')]);
  });
});

describe('a join that is cut off by kill -9 of the hub, at any moment', () => {
  const system = new System();
  const ROUNDS = 6;
  beforeAll(async () => {
    await system.startHub();
    await system.weir('group', 'create', 'plant');
  });
  afterAll(() => system.stop());

  test('is repeated with the same token to one device with a certificate in force', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { id, token } = await system.weirJson<{ id: string; token: string }>('token', 'create', '--group', 'plant');
      const data = join(system.folder, `gw${round}`);
      mkdirSync(data);
      const attempt = () => {
        const url = `https://127.0.0.1:${system.hubPorts.device}`;
        return system.run('weir-agent', 'join', url, '--token', token, '--name', `gw${round}`, '--data', data);
      };
      const cutOff = attempt();
      // Time for the agent to start, and then a moment of its work: earlier in each round.
      await sleep(900 - round * 80);
      await system.kill('hub');
      await cutOff;
      await system.startHub();
      const { code, stderr } = await attempt();
      // The first may have been done before the hub was killed.
      if (code !== 0) expect(stderr).toContain('enrolled already');
      const { certificate, key } = identityIn(data);
      expect(certificate).toContain('BEGIN CERTIFICATE');
      expect(createPrivateKey(key).asymmetricKeyType).toBe('ec');
      const tokens = await system.weirJson<{ id: string; usesLeft: number; state: string }[]>('token', 'list');
      expect(tokens.find((each) => each.id === id)).toMatchObject({ usesLeft: 0, state: 'spent' });
    }
    const devices = await system.weirJson<{ id: string; certificateSerial: string }[]>('device', 'list');
    expect(devices.map(({ id }) => id)).toEqual(Array.from({ length: ROUNDS }, (_, n) => `gw${n}`));
    for (const { id, certificateSerial } of devices) {
      const { certificate } = identityIn(join(system.folder, id));
      expect(serialOf(certificate), id).toBe(certificateSerial);
    }
  });

  test('a token that is revoked lets nobody in, and says so', async () => {
    const { id, token } = await system.weirJson<{ id: string; token: string }>('token', 'create', '--group', 'plant');
    expect(await system.weir('token', 'revoke', id)).toContain(`Token ${id} is revoked`);
    const url = `https://127.0.0.1:${system.hubPorts.device}`;
    const data = join(system.folder, 'late');
    const { code, stderr } = await system.run(
      'weir-agent',
      'join',
      url,
      '--token',
      token,
      '--name',
      'late',
      '--data',
      data,
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining('this join token was revoked')]);
    const unknown = await system.run('weir', 'token', 'revoke', 'ffffffffffff', '--hub-data', system.hubData);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('weir token list')]);
  });
});

function serialOf(certificate: string): string {
  return new X509Certificate(certificate).serialNumber.toUpperCase();
}
