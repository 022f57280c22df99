import { afterAll, beforeAll, expect, test } from 'vitest';
import { CountingSensor } from '../support/counting-sensor.ts';
import { eventually, System } from '../support/system.ts';

const ROUNDS = 4;
const system = new System();

beforeAll(() => system.startAll());
afterAll(() => system.stop());

const serial = async () => (await system.api<{ certificateSerial: string }>('/devices/gw1')).certificateSerial;

async function renew(): Promise<void> {
  const { code, stderr } = await system.run('weir-agent', 'renew', '--data', system.agentData);
  expect([code, stderr]).toEqual([0, '']);
}

test('certificates are renewed while readings come, agent or hub killed in between: none is lost, none stored twice, the old one ends', async () => {
  const sensor = new CountingSensor({
    name: 'counter',
    at: () => ({ port: system.brokerPort, password: system.sensorPassword }),
    perSecond: 200,
    inFlightMax: 50,
  });
  sensor.start();
  const serials = new Set([await serial()]);
  for (let round = 0; round < ROUNDS; round++) {
    const before = await serial();
    await renew();
    // Odd rounds are killed while the certificates change over, in whichever state that is.
    if (round % 2 === 1) {
      const which = round === 1 ? 'agent' : 'hub';
      await system.kill(which);
      await (which === 'agent' ? system.startAgent() : system.startHub());
    }
    const after = await eventually('the new certificate is in force', async () => {
      const now = await serial();
      return now === before ? undefined : now;
    });
    expect(serials.has(after)).toBe(false);
    serials.add(after);
    const seen = sensor.acknowledged.size;
    await eventually('readings go on', () => (sensor.acknowledged.size > seen + 100 ? true : undefined));
  }
  await sensor.stop();
  const stored = await eventually('all that was acknowledged is stored', async () => {
    const found = await system.readings('gw1', { sensor: 'counter', metric: 'n' });
    const values = new Set(found.map(({ value }) => value));
    const missing = [...sensor.acknowledged].filter((number) => !values.has(number));
    if (missing.length > 0) throw new Error(`${missing.length} of ${sensor.acknowledged.size} are missing`);
    return found;
  });
  expect(new Set(stored.map(({ value }) => value)).size).toBe(stored.length);
  const validTo = await eventually('the old certificate is given up', async () => {
    const { certificate } = await system.agentStatus<{ certificate: { isChanging: boolean; validTo: number } }>();
    return certificate.isChanging ? undefined : certificate.validTo;
  });
  expect(validTo).toBeGreaterThan(Date.now() + 89 * 86_400_000);
});

test('without an agent the commands say so, and what to do', async () => {
  const folder = `${system.folder}/nobody`;
  for (const command of ['renew', 'status', 'buffer']) {
    const { code, stderr } = await system.run('weir-agent', command, '--data', folder);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`the agent does not run on ${folder}\n`)]);
    expect(stderr).toContain(`start it with: weir-agent run --data ${folder};`);
  }
});

test('weir-agent buffer tells what waits while the hub is away, and that nothing does when it is back', async () => {
  await system.kill('hub');
  await eventually('readings wait', async () => {
    await system.publish('plant/oven1/temperature', '60');
    const { stdout } = await system.run('weir-agent', 'buffer', '--data', system.agentData);
    return (stdout.includes('uplink  down') && /backfill {2}[1-9]/.test(stdout)) || undefined;
  });
  await system.startHub();
  await eventually('nothing waits', async () => {
    const { stdout } = await system.run('weir-agent', 'buffer', '--json', '--data', system.agentData);
    const { uplink, lanes } = JSON.parse(stdout) as { uplink: { state: string }; lanes: { items: number }[] };
    return (uplink.state === 'open' && lanes.every(({ items }) => items === 0)) || undefined;
  });
});
