import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  GetThingShadowCommand,
  IoTDataPlaneClient,
  PublishCommand,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bins, eventually, exampleFile, type Finished, System } from '../support/system.ts';

const system = new System();
let url: string;
/** As the hub printed them at its first start. */
let login: string[];

beforeAll(async () => {
  system.hubConfig = system.file('hub.yaml', 'listen: { api: { host: 0.0.0.0 } }\n');
  await system.startHub();
  url = `https://${hostname()}:${system.hubPorts.api}`;
  login = /weir (login .*)/.exec(system.hubWords.join('\n'))![1]!.split(' ');
});
afterAll(() => system.stop());

/** A machine of an operator: a home that is empty, and nothing of the hub's. */
class Machine {
  readonly home: string;

  constructor(name: string) {
    this.home = join(system.folder, name);
    mkdirSync(this.home);
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: process.env.PATH, HOME: this.home };
  }

  weir(...args: string[]): Promise<Finished> {
    return new Promise((resolve) => {
      const options = { cwd: this.home, env: this.env };
      execFile(process.execPath, [bins.weir, ...args], options, (error, out, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout: out, stderr });
      });
    });
  }
}

interface Made {
  id: string;
  key: string;
  accessKeyId: string;
  secretAccessKey: string;
}

const made = async (machine: Machine, ...args: string[]): Promise<Made> =>
  JSON.parse((await machine.weir('api-key', 'create', ...args, '--json')).stdout);

test('the first admin key is printed once; with it another machine logs in, to a hub that it then knows', async () => {
  expect(login).toEqual(['login', url, '--key', expect.stringMatching(/^wk/), '--ca-sha256', expect.anything()]);
  const anna = new Machine('anna');
  const wrongPin = [...login.slice(0, -1), 'A'.repeat(43)];
  expect(await anna.weir(...wrongPin)).toMatchObject({ code: 1, stderr: expect.stringContaining('with this hash') });
  expect(await anna.weir(...login.slice(0, 4))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--ca-sha256'),
  });
  expect(await anna.weir('group', 'list')).toMatchObject({ code: 2, stderr: expect.stringContaining('weir login') });

  expect(await anna.weir(...login)).toMatchObject({ code: 0, stderr: expect.stringContaining('first-admin (admin)') });
  const profile = join(anna.home, '.config', 'weir', 'hub.json');
  expect(statSync(profile).mode & 0o077).toBe(0);
  expect((await anna.weir('group', 'create', 'ovens')).code).toBe(0);
  expect(JSON.parse((await anna.weir('group', 'list', '--json')).stdout)).toMatchObject([{ name: 'ovens' }]);

  // Commands on the machine of the hub find it as ever, now by HTTPS.
  expect(await system.weir('group', 'list')).toContain('ovens');
  const audited = JSON.parse(await system.weir('audit', '--json', '--by', 'first-admin'));
  expect(audited).toMatchObject([{ what: 'POST /api/v1/groups', outcome: 'done', body: '{"name":"ovens"}' }]);
  expect(await anna.weir('logout')).toMatchObject({ code: 0 });
  expect((await anna.weir('group', 'list')).code).toBe(2);
});

test('a viewer looks and changes nothing, by the CLI as by the AWS SDK; an operator does', async () => {
  const admin = new Machine('admin');
  await admin.weir(...login);
  const keys = {
    viewer: await made(admin, 'ben', '--role', 'viewer'),
    operator: await made(admin, 'ci', '--role', 'operator'),
  };
  const ben = new Machine('ben');
  // The key is not on the command line, where others on the machine could read it.
  const child = spawn(process.execPath, [bins.weir, 'login', url, '--key', '-', ...login.slice(4)], {
    ...{ cwd: ben.home, env: ben.env, stdio: ['pipe', 'ignore', 'ignore'] },
  });
  child.stdin!.end(`${keys.viewer.key}\n`);
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  expect((await ben.weir('group', 'list')).code).toBe(0);
  expect(await ben.weir('group', 'create', 'more')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs the role operator'),
  });
  expect((await ben.weir('api-key', 'list')).stderr).toContain('needs the role admin');

  const { ca } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8')) as { ca: string };
  const client = (credentials: Made) =>
    new IoTDataPlaneClient({ endpoint: url, region: 'local', credentials, requestHandler: { httpsAgent: { ca } } });
  const [viewer, operator] = [client(keys.viewer), client(keys.operator)];
  const update = new UpdateThingShadowCommand({
    thingName: 'gw1',
    payload: Buffer.from('{"state":{"desired":{"a":1}}}'),
  });
  const get = new GetThingShadowCommand({ thingName: 'gw1' });
  const publish = new PublishCommand({ topic: 'plant/x', payload: Buffer.from('1') });
  await expect(viewer.send(update)).rejects.toMatchObject({ name: 'ForbiddenException' });
  await expect(viewer.send(publish)).rejects.toMatchObject({ name: 'ForbiddenException' });
  await operator.send(update);
  await operator.send(publish);
  expect((await viewer.send(get)).payload).toBeDefined();

  await admin.weir('api-key', 'revoke', 'ben');
  await expect(viewer.send(get)).rejects.toMatchObject({ name: 'UnauthorizedException' });
  expect(await ben.weir('group', 'list')).toMatchObject({ code: 2, stderr: expect.stringContaining('was revoked') });
  await operator.send(get);
  viewer.destroy();
  operator.destroy();
  const denied = JSON.parse(await system.weir('audit', '--denied', '--json', '--by', 'ben'));
  expect(denied.map(({ code, target }: { code: string; target: string }) => [code, target])).toContainEqual([
    'role-too-low',
    '/things/gw1/shadow',
  ]);
});

test('the hub reaches its own data plane by HTTPS, too: what a device is to run gets into its shadow', async () => {
  await system.weir('group', 'create', 'plant');
  const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  await system.join('gw7', token);
  await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant', '--no-wait');
  const shadow = await eventually('the rule in the shadow', async () => {
    const device = await system.weirJson<{ shadow?: { desired?: object } }>('device', 'show', 'gw7');
    return JSON.stringify(device.shadow?.desired ?? {}).includes('oven-too-hot') ? device.shadow : undefined;
  });
  expect(shadow).toBeDefined();
});

test('an open event stream ends within five seconds when its key is revoked', async () => {
  const admin = new Machine('watcher');
  await admin.weir(...login);
  const { key, id } = await made(admin, 'watch', '--role', 'viewer');
  const { ca } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8')) as { ca: string };
  const events = `https://127.0.0.1:${system.hubPorts.api}/api/v1/events`;
  const stream = { ended: 0 };
  await new Promise<void>((resolve, reject) => {
    request(events, { ca, headers: { authorization: `Bearer ${key}` } }, (response) => {
      response.once('data', () => resolve());
      response.once('end', () => {
        stream.ended = performance.now();
      });
    })
      .on('error', reject)
      .end();
  });
  expect((await admin.weir('api-key', 'revoke', id)).code).toBe(0);
  const revokedAt = performance.now();
  await expect.poll(() => stream.ended, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(stream.ended - revokedAt).toBeLessThan(5_000);
});

test('a hub that starts again prints no key, unless it is asked to: then the one before is no good', async () => {
  const admin = new Machine('again');
  await admin.weir(...login);
  await system.kill('hub', 'SIGTERM');
  await system.startHub();
  expect(system.hubWords.join('\n')).not.toContain('weir login');
  expect((await admin.weir('group', 'list')).code).toBe(0);
  await system.kill('hub', 'SIGTERM');
  system.hubArguments = ['--reset-admin-key'];
  await system.startHub();
  const next = /weir (login .*)/.exec(system.hubWords.join('\n'))![1]!.split(' ');
  expect((await admin.weir('group', 'list')).stderr).toContain('was revoked');
  expect((await admin.weir(...next)).code).toBe(0);
  expect((await admin.weir('group', 'list')).code).toBe(0);
});

test('no secret of a key is in what the hub logs, nor in its store', () => {
  const secret = login[3]!.split('.')[1]!;
  const kept = system.dataFiles().filter(({ text }) => text.includes(secret));
  expect(kept.map(({ path }) => path)).toEqual([]);
  // Once, at the first start.
  expect(system.output.split(secret).length).toBe(2);
});
