/** Channels of a real hub, with real receivers: webhooks, an Alertmanager, a mail server. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectAsync } from 'mqtt';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALERTMANAGER, type RunningAlertmanager, startAlertmanager } from '../support/alertmanager.ts';
import { eventually, System } from '../support/system.ts';
import { isInstalled, missingTool } from '../support/tools.ts';

const system = new System();
const cleanups: (() => unknown)[] = [];

interface Got {
  headers: IncomingHttpHeaders;
  body: string;
}

class Receiver {
  readonly got: Got[] = [];
  status = 200;
  /** It takes what comes and never answers. */
  isSilent = false;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
        if (!this.isSilent) response.writeHead(this.status).end();
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    cleanups.push(
      () => this.#server.closeAllConnections(),
      () => this.#server.close(),
    );
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  get bodies() {
    return this.got.map(({ body }) => JSON.parse(body));
  }
}

beforeAll(async () => {
  await system.startAll();
  const rule = system.file(
    'oven-hot.yaml',
    'name: oven-hot\nsensor: oven*\nmetric: temperature\nabove: 80\nclear: 75\nseverity: critical\nsummary: "{sensor} is at {value}"\n',
  );
  await system.weir('rule', 'apply', rule, '--group', 'plant');
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await system.stop();
});

const heat = (sensor: string, value: number) => system.publish(`plant/${sensor}/temperature`, `${value}`);

test('a webhook gets the firing and the end, signed with both secrets while they are rotated', async () => {
  const receiver = new Receiver();
  const first = (await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen())).trim();
  const second = (await system.weir('channel', 'set', 'hook', '--rotate-secret')).trim();
  await heat('oven1', 91);
  await eventually('the firing is there', async () => receiver.got[0]);
  await heat('oven1', 60);
  await eventually('the end is there', async () => receiver.got[1]);
  expect(receiver.bodies.map(({ type }) => type)).toEqual(['alert.firing', 'alert.resolved']);
  const { headers, body } = receiver.got[0]!;
  const signatures = [second, first].map((secret) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  });
  expect(headers['webhook-signature']).toBe(signatures.join(' '));
  await system.weir('channel', 'remove', 'hook');
  for (const { text } of system.dataFiles()) expect(text).not.toContain(first.slice('whsec_'.length));
});

test('what a receiver that is gone did not take is a dead letter, and is sent again once it is back', async () => {
  const receiver = new Receiver();
  receiver.status = 410;
  await system.weir('channel', 'add', 'gone', '--webhook', await receiver.listen(), '--no-signed');
  await heat('oven2', 91);
  const letters = await eventually('it is put aside', async () => {
    const found = await system.weirJson<{ id: string; reason: string }[]>('channel', 'dead-letters', 'gone');
    return found.length > 0 ? found : undefined;
  });
  expect(letters).toMatchObject([{ reason: 'gone', id: receiver.got[0]!.headers['webhook-id'] }]);
  expect(await system.weir('channel', 'list')).toMatch(/gone +webhook +disabled/);
  receiver.status = 200;
  await system.weir('channel', 'enable', 'gone');
  receiver.got.length = 0;
  expect(await system.weirJson('channel', 'replay', 'gone', '--all')).toEqual({ replayed: 1, over: 0 });
  const { headers } = await eventually('it is sent again', async () => receiver.got[0]);
  expect(headers['webhook-id']).toBe(letters[0]!.id);
  await heat('oven2', 60);
  await eventually('the end is there', async () => receiver.bodies.find(({ type }) => type === 'alert.resolved'));
  await system.weir('channel', 'remove', 'gone');
});

test('a template says what is sent, is shown before, and is refused with its place when it is wrong', async () => {
  const receiver = new Receiver();
  const url = await receiver.listen();
  const wrong = system.file('wrong.txt', '{\n  "text": "{{titel}}"\n}');
  const refused = await system.run(
    'weir',
    'channel',
    'add',
    'chat',
    '--webhook',
    url,
    '--template',
    wrong,
    '--hub-data',
    system.hubData,
  );
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('titel')]);
  const template = system.file('template.txt', '{ "text": "{{title}}", "n": {{&count}} }');
  await system.weir('channel', 'add', 'chat', '--webhook', url, '--template', template);
  expect(await system.weir('channel', 'test', 'chat', '--dry')).toContain('[TEST, firing]');
  expect(receiver.got).toEqual([]);
  await system.weir('channel', 'test', 'chat');
  expect(receiver.bodies).toEqual([
    { text: expect.stringMatching(/^\[TEST, firing\] warning: .*81\.5/), n: 1 },
    { text: expect.stringMatching(/^\[TEST, resolved\]/), n: 1 },
  ]);
  await system.weir('channel', 'remove', 'chat');
});

test('a metadata address and an address in a LAN are refused with what to do, and no secret is in what is shown', async () => {
  for (const [name, url] of [
    ['meta', 'http://169.254.169.254/latest/meta-data/'],
    ['lan', 'http://192.168.77.77/hooks/hunter2'],
  ] as const) {
    await system.weir('channel', 'add', name, '--webhook', url, '--no-signed');
    const { code, stderr } = await system.run('weir', 'channel', 'test', name, '--hub-data', system.hubData);
    expect([code, stderr]).toEqual([1, expect.stringContaining('notify.allowNetworks')]);
    expect(await system.weir('channel', 'show', name)).not.toMatch(/hunter2|meta-data/);
    await system.weir('channel', 'remove', name);
  }
});

test('a mail server gets the firing and the end of an episode in one thread', async () => {
  const mails: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push(Buffer.concat(chunks).toString());
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise<void>((resolve) => server.close(resolve)));
  const smtp = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  const place = ['--email', 'ops@example.com', '--from', 'weir@example.com', '--smtp', smtp, '--smtp-tls', 'never'];
  await system.weir('channel', 'add', 'mail', ...place);
  await heat('oven3', 91);
  await eventually('the mail is there', async () => mails[0]);
  await heat('oven3', 60);
  await eventually('the second is there', async () => mails[1]);
  const [first, last] = mails.map((mail) => mail.replace(/\r\n[ \t]+/g, ' '));
  expect(first).toContain('Subject: [FIRING] critical: oven3 is at 91');
  expect(last).toContain('Subject: [RESOLVED]');
  const threadOf = (mail: string) => /^References: (.*)$/m.exec(mail)?.[1];
  expect(threadOf(last!)).toBe(threadOf(first!));
  await system.weir('channel', 'remove', 'mail');
});

describe.skipIf(!isInstalled(ALERTMANAGER) && missingTool(ALERTMANAGER) !== '')('a real Alertmanager', () => {
  const back = new Receiver();
  let real: RunningAlertmanager;

  beforeAll(async () => {
    real = await startAlertmanager(system.folder, await back.listen());
    cleanups.push(() => real.stop());
    await system.weir('channel', 'add', 'am', '--alertmanager', real.url, '--resend', '1s');
  });

  test('is told what fires for as long as it does, and its end; nothing is forgotten by it meanwhile', async () => {
    await heat('oven4', 91);
    const mine = async () => (await real.alerts()).filter(({ labels }) => labels.sensor === 'oven4');
    const [fired] = await eventually('it has the alert', async () => ((await mine()).length > 0 ? mine() : undefined));
    expect(fired).toMatchObject({
      labels: { alertname: 'oven-hot', device: 'gw1', severity: 'critical' },
      annotations: { summary: 'oven4 is at 91' },
      status: { state: 'active' },
    });
    // Told once it would be over there after four seconds.
    const until = Date.parse(fired!.endsAt);
    await eventually(
      'it is told again',
      async () => Date.parse((await mine())[0]?.endsAt ?? '') > until + 4_000 || undefined,
    );
    await heat('oven4', 60);
    await eventually('it is over there', async () => (await mine()).length === 0 || undefined);
    await eventually('and it told so', async () => back.bodies.find(({ status }) => status === 'resolved'));
  });

  test('sends bodies that have the shape of ours, and knows alerts by the same fingerprints', async () => {
    const ours = new Receiver();
    await system.weir(
      'channel',
      'add',
      'v4',
      '--webhook',
      await ours.listen(),
      '--format',
      'alertmanager',
      '--no-signed',
    );
    back.got.length = 0;
    await heat('oven5', 91);
    const ofOven = (receiver: Receiver) =>
      receiver.bodies.find(({ alerts }) =>
        alerts.some((alert: { labels: { sensor: string } }) => alert.labels.sensor === 'oven5'),
      );
    const [theirs, mine] = [
      await eventually('theirs is there', async () => ofOven(back)),
      await eventually('ours is there', async () => ofOven(ours)),
    ];
    expect(Object.keys(mine)).toEqual(Object.keys(theirs));
    expect(shapeOf(mine)).toEqual(shapeOf(theirs));
    const alertIn = (body: { alerts: { labels: { sensor: string } }[] }) =>
      body.alerts.find(({ labels }) => labels.sensor === 'oven5');
    expect(alertIn(mine)).toMatchObject({ labels: (alertIn(theirs) as { labels: object }).labels });
    expect(alertIn(mine)).toMatchObject({
      fingerprint: (alertIn(theirs) as unknown as { fingerprint: string }).fingerprint,
    });
    // Its receiver would wait for the end for ever.
    const { code, stderr } = await system.run('weir', 'channel', 'remove', 'v4', '--hub-data', system.hubData);
    expect([code, stderr]).toEqual([2, expect.stringContaining('an alert that is not over')]);
    await heat('oven5', 60);
    await eventually('its end is there', async () => ours.bodies.find(({ status }) => status === 'resolved'));
    await system.weir('channel', 'remove', 'v4');
  });
});

/** Names and types; what a map of labels holds is no matter. */
function shapeOf(value: unknown, name = ''): unknown {
  if (/[lL]abels$|[aA]nnotations$/.test(name)) return typeof value;
  if (Array.isArray(value)) return [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shapeOf(each, key)]));
}

test('a siren at the device hears that its oven is hot, and that it is over, by a command of the hub', async () => {
  const login = { username: 'sensor', password: system.sensorPassword, reconnectPeriod: 0 };
  const siren = await connectAsync(`mqtt://127.0.0.1:${system.brokerPort}`, login);
  cleanups.push(() => siren.end(true));
  const heard: string[] = [];
  siren.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
  await siren.subscribeAsync('cmd/#', { qos: 1 });
  await system.weir('channel', 'add', 'siren', '--actuator', 'cmd/siren', '--match', 'sensor=oven6');
  await heat('oven6', 91);
  await eventually('it sounds', async () => heard.includes('cmd/siren on') || undefined);
  await heat('oven6', 60);
  await eventually('it is silent again', async () => heard.includes('cmd/siren off') || undefined);
  expect(heard).toEqual(['cmd/siren on', 'cmd/siren off']);
  await system.weir('channel', 'remove', 'siren');
});

test('attempts are counted by kind and outcome', async () => {
  const text = await system.metrics();
  expect(text).toMatch(/weir_notification_attempts_total\{kind="webhook",outcome="delivered"\} [1-9]/);
  expect(text).toMatch(/weir_notification_attempts_total\{kind="email",outcome="delivered"\} 2/);
  expect(text).toMatch(/weir_notification_latency_total\{kind="webhook",within="/);
});

test('a hub that is killed while a receiver has a message and has not answered tells it once more, under the same key', async () => {
  const receiver = new Receiver();
  receiver.isSilent = true;
  await system.weir('channel', 'add', 'slow', '--webhook', await receiver.listen(), '--match', 'sensor=oven7');
  await heat('oven7', 91);
  await eventually('the receiver has it', async () => receiver.got[0]);
  await system.kill('hub');
  receiver.isSilent = false;
  await system.startHub();
  await eventually('it is told again', async () => receiver.got[1]);
  await heat('oven7', 60);
  await eventually('the end is there', async () => receiver.bodies.find(({ type }) => type === 'alert.resolved'));
  expect(receiver.bodies.map(({ type }) => type)).toEqual(['alert.firing', 'alert.firing', 'alert.resolved']);
  const keys = receiver.got.map(({ headers }) => headers['idempotency-key']);
  expect(keys[1]).toBe(keys[0]);
  expect(receiver.got[1]!.body).toBe(receiver.got[0]!.body);
  await system.weir('channel', 'remove', 'slow');
});
