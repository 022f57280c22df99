import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { makeAuthority } from './authority.fixture.ts';
import { readAwsThing } from './aws-thing.ts';

const config = (folder: string, more: object = {}) => ({
  endpoint: 'abc-ats.iot.eu-west-1.amazonaws.com',
  port: 8883,
  thing: 'gw1',
  certificateFile: join(folder, 'cert.pem'),
  keyFile: join(folder, 'key.pem'),
  caFile: join(folder, 'ca.pem'),
  ...more,
});

async function files() {
  const folder = temporaryFolder();
  const ca = await makeAuthority('Amazon');
  const { key, certificate } = await ca.issue('any name at all');
  await writeFile(join(folder, 'cert.pem'), certificate);
  await writeFile(join(folder, 'key.pem'), key);
  await writeFile(join(folder, 'ca.pem'), ca.pem);
  return { folder, ca, key, certificate };
}

test('a thing is who its configuration says; MQTT is asked for by ALPN on port 443, or where that is said', async () => {
  const { folder, ca, key, certificate } = await files();
  const host = 'abc-ats.iot.eu-west-1.amazonaws.com';
  expect(await readAwsThing(config(folder))).toEqual({
    ...{ device: 'gw1', host, port: 8883, serverName: host },
    ...{ ca: ca.pem, key, certificate, alpn: undefined },
  });
  expect((await readAwsThing(config(folder, { port: 443 }))).alpn).toBe('x-amzn-mqtt-ca');
  expect((await readAwsThing(config(folder, { alpn: true }))).alpn).toBe('x-amzn-mqtt-ca');
});

test('what is wrong with a file is said with its option and its path', async () => {
  const { folder, ca } = await files();
  const other = await ca.issue('other');
  await writeFile(join(folder, 'other.pem'), other.key);
  await writeFile(join(folder, 'junk.pem'), 'junk');
  const read = (more: Record<string, string>) => readAwsThing(config(folder, more));
  const junk = join(folder, 'junk.pem');
  await expect(read({ caFile: '/nowhere.pem' })).rejects.toMatchObject({
    code: 'aws-file-missing',
    message: 'aws.caFile: there is no file /nowhere.pem',
  });
  for (const option of ['certificateFile', 'keyFile', 'caFile']) {
    await expect(read({ [option]: junk })).rejects.toMatchObject({
      code: 'aws-credentials-invalid',
      message: expect.stringContaining(`aws.${option}: ${junk} cannot be understood`),
    });
  }
  await expect(read({ keyFile: join(folder, 'other.pem') })).rejects.toMatchObject({
    message: expect.stringMatching(/other\.pem is not that of the certificate/),
  });
});

test('at AWS no more is published a second than it takes, and the keep alive is one that it has', () => {
  const aws = 'aws: { endpoint: a.example, thing: gw1, certificateFile: c, keyFile: k, caFile: a }\n';
  expect(parseConfig(aws, 'agent.yaml').uplink.publishesPerSecond).toBe(80);
  expect(parseConfig(`${aws}uplink: { publishesPerSecond: 10 }`, 'agent.yaml').uplink.publishesPerSecond).toBe(10);
  expect(() => parseConfig(`${aws}uplink: { keepalive: 10s }`, 'agent.yaml')).toThrow(
    /uplink\.keepalive: AWS IoT Core/,
  );
  expect(parseConfig('', 'agent.yaml').uplink.publishesPerSecond).toBeUndefined();
});
