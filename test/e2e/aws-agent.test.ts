/**
 * The agent with AWS IoT Core in the place of its hub's broker. A second hub with an authority of its own stands for AWS
 * and holds to AWS's limits; what runs on the device is wanted by the first one, over the data plane of the second.
 *
 *     hub  --- UpdateThingShadow --->  "AWS" (aws-strict, another CA)  <--- MQTT, ALPN, Basic Ingest ---  agent
 *      ^_____________________________ bundles, what is to run, by HTTPS _______________________________________|
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinDevice } from '../support/joined-device.ts';
import { eventually, exampleFile, System } from '../support/system.ts';

const hub = new System();
const aws = new System();
const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

interface IssuedKey {
  accessKeyId: string;
  secretAccessKey: string;
}

async function groupWithToken(system: System): Promise<string> {
  await system.weir('group', 'create', 'plant');
  return (await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant')).token;
}

beforeAll(async () => {
  aws.hubConfig = aws.file('hub.yaml', 'profile: aws-strict\n');
  await aws.startHub();
  const thing = await joinDevice(aws, 'gw1', await groupWithToken(aws));
  const made = await aws.weirJson<IssuedKey>('api-key', 'create', 'the-other-hub', '--role', 'operator');
  process.env.AWS_ACCESS_KEY_ID = made.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = made.secretAccessKey;
  hub.hubConfig = hub.file(
    'hub.yaml',
    `downlink: { endpoint: "http://127.0.0.1:${aws.hubPorts.api}", region: eu-west-1 }\n`,
  );
  await hub.startHub();
  await hub.join('gw1', await groupWithToken(hub));
  hub.agentConfig = hub.file(
    'agent.yaml',
    `aws:
  endpoint: localhost
  port: ${aws.hubPorts.mqtt}
  alpn: true
  thing: gw1
  certificateFile: ${hub.file('thing.crt', thing.certificate)}
  keyFile: ${hub.file('thing.key', thing.key)}
  caFile: ${hub.file('root.pem', thing.ca)}
uplink:
  ingestRule: weir
deploy:
  report: 1s
`,
  );
  await hub.startAgent();
});

afterAll(async () => {
  for (const name of VARIABLES) delete process.env[name];
  await hub.stop();
  await aws.stop();
});

test('readings arrive, and what is deployed runs, though the device speaks MQTT to another than its hub', async () => {
  await hub.weir('fn', 'deploy', exampleFile('functions/moving-average.ts'), '--group', 'plant');
  await eventually('the device says so to its hub', async () => {
    const [row] = await hub.weirJson<{ device: string; state: string }[]>('deploy', 'status', 'moving-average');
    return (row?.device === 'gw1' && row.state === 'running') || undefined;
  });
  await hub.publish('plant/oven1/temperature', '20');
  await hub.publish('plant/oven1/temperature', '22');
  const averages = await eventually('the averages', async () => {
    const found = await aws.readings('gw1', { sensor: 'oven1', metric: 'temperature_avg' });
    return found.length === 2 ? found.map(({ value }) => value) : undefined;
  });
  expect(averages).toEqual([20, 21]);
  expect(await hub.readings('gw1', { sensor: 'oven1' })).toEqual([]);
});

test('the doctor says that AWS answers', async () => {
  const args = ['doctor', '--json', '--data', hub.agentData, '--config', hub.agentConfig!];
  const { stdout } = await hub.run('weir-agent', ...args);
  const findings = JSON.parse(stdout) as { name: string; level: string; detail: string }[];
  expect(findings.find(({ name }) => name === 'AWS IoT Core')).toMatchObject({ level: 'ok' });
});

test('a device that has joined no hub runs at AWS alone', async () => {
  await hub.kill('agent', 'SIGTERM');
  hub.agentData = join(hub.folder, 'alone');
  await hub.startAgent();
  await hub.publish('plant/oven2/temperature', '30');
  await eventually('the reading', async () => {
    const found = await aws.readings('gw1', { sensor: 'oven2' });
    return found.length === 1 || undefined;
  });
});
