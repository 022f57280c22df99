/** What a channel does with what is in its outbox; who put it there is nothing to it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { episodeKey } from '../alerts/index-keys.ts';
import { type Control, createControl } from '../api/control.fixture.ts';
import { storedChannels } from './channels.ts';
import { AT, alertOf, OVER, sampleMessage } from './message.fixture.ts';
import type { AlertMessage } from './message.ts';
import { createNotifier, type Notifier } from './notify.ts';
import type { Notification } from './outbox.ts';
import { type Receiver, startReceiver } from './receiver.fixture.ts';
import { Sleepers } from './sleepers.fixture.ts';

let control: Control;
let receiver: Receiver;
let notifier: Notifier;
const clock = { now: 0 };
let sleepers: Sleepers;

beforeEach(async () => {
  clock.now = AT;
  sleepers = new Sleepers();
  receiver = await startReceiver();
  control = await createControl({ sleep: sleepers.sleep, clock });
  notifier = control.notifier;
  await notifier.start();
});
afterEach(async () => {
  await notifier.stop();
  await control.close();
  await receiver.close();
});

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 5 });
const channel = async (name: string) => (await notifier.channels()).find((each) => each.name === name)!;

let count = 0;
/** As the plan does it. */
async function enqueue(name: string, ...messages: AlertMessage[]): Promise<void> {
  const { id } = (await storedChannels(control.store)).get(name)!;
  for (const message of messages) {
    const sort = `${String(clock.now).padStart(15, '0')}/${String(count++).padStart(6, '0')}`;
    const json: Notification = { message: { ...message, channel: id }, attempts: 0, nextAt: clock.now };
    await control.store.write([{ put: { table: 'notification', partition: id, sort }, json }]);
  }
  // One that is turned off and on again looks at once.
  await notifier.admin.enable(name);
}

/** Lets the one who sleeps go on, at the time it wants. */
async function sleepOver(): Promise<number> {
  await until(() => expect(sleepers.count).toBe(1));
  const { ms, wake } = sleepers.take();
  clock.now += ms;
  wake();
  return ms;
}

const firing = (episode: string) => sampleMessage([alertOf({ episode })]);
const ended = (episode: string) => sampleMessage([alertOf({ ...OVER, episode })]);
const addWebhook = (name: string, given: object = {}) =>
  notifier.admin.add(name, { kind: 'webhook', url: receiver.url, ...given });

test('a message about several episodes waits for each of them that is before it, and keeps each behind it', async () => {
  receiver.answer = (response, { body }) =>
    response.writeHead(body.includes('"episode":"episodeaaaa","seq":1') ? 400 : 200).end();
  await addWebhook('hook');
  const both = sampleMessage([alertOf({ ...OVER, episode: 'episodeaaaa' }), alertOf({ episode: 'episodebbbb' })]);
  await enqueue('hook', firing('episodeaaaa'), both, ended('episodebbbb'), firing('episodecccc'));
  await until(() => expect(receiver.told()).toContain('episodecccc-1 alert.firing'));
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 3, delivered: 1 }));
  receiver.answer = (response) => response.end();
  await sleepOver();
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0, delivered: 4 }));
  const told = receiver.told().slice(-3);
  expect(told).toEqual(['episodeaaaa-1 alert.firing', 'group-1 alerts.firing', 'episodebbbb-2 alert.resolved']);
});

test('the circuit of a dead receiver opens, is half open while it is probed, and closes with the first success', async () => {
  receiver.answer = (response) => response.writeHead(503).end();
  await addWebhook('hook');
  expect((await channel('hook')).circuit).toBe('closed');
  await enqueue('hook', firing('episodeaaaa'));
  await until(async () => expect((await channel('hook')).circuit).toBe('open'));
  await until(() => expect(sleepers.count).toBe(1));
  receiver.answer = () => {};
  await sleepOver();
  await until(async () => expect((await channel('hook')).circuit).toBe('half-open'));
  await notifier.admin.disable('hook');
  receiver.answer = (response) => response.end();
  await notifier.admin.enable('hook');
  await until(async () => expect(await channel('hook')).toMatchObject({ circuit: 'closed', delivered: 1 }));
});

test('where the clock of the hub is set back, neither a pause nor what was to be told before it makes anybody wait', async () => {
  receiver.answer = (response) => response.writeHead(503).end();
  await addWebhook('hook');
  await enqueue('hook', firing('episodeaaaa'));
  await until(() => expect(sleepers.count).toBe(1));
  clock.now -= 3_600_000;
  receiver.answer = (response) => response.end();
  sleepers.take().wake();
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0, delivered: 1 }));
});

test('a channel that an operator has turned off keeps what it has to tell until it is turned on', async () => {
  await addWebhook('hook');
  await enqueue('hook', firing('episodeaaaa'));
  await until(() => expect(receiver.told()).toHaveLength(1));
  await notifier.admin.disable('hook');
  expect(await channel('hook')).toMatchObject({ state: 'disabled', lastError: 'turned off by an operator' });
  const { id } = (await storedChannels(control.store)).get('hook')!;
  const json: Notification = { message: { ...ended('episodeaaaa'), channel: id }, attempts: 0, nextAt: clock.now };
  await control.store.write([{ put: { table: 'notification', partition: id, sort: '9' }, json }]);
  // A test does not turn it on.
  expect(await notifier.admin.test('hook')).toMatchObject({ delivered: true });
  expect(await channel('hook')).toMatchObject({ state: 'disabled', waiting: 1 });
  await notifier.admin.enable('hook');
  await until(() => expect(receiver.told().at(-1)).toBe('episodeaaaa-2 alert.resolved'));
});

describe('dead letters', () => {
  const gone = async (...messages: AlertMessage[]) => {
    receiver.answer = (response) => response.writeHead(410).end();
    await enqueue('hook', ...messages);
    await until(async () => expect((await channel('hook')).waiting).toBe(0));
    receiver.answer = (response) => response.end();
    receiver.received.length = 0;
    await notifier.admin.enable('hook');
  };

  test('are sent again in order, one by one or all of them, and once', async () => {
    await addWebhook('hook');
    await gone(firing('episodeaaaa'), ended('episodeaaaa'), firing('episodebbbb'));
    expect(await notifier.admin.replay('hook', ['episodebbbb-1'])).toEqual({ replayed: 1, over: 0 });
    expect(await notifier.admin.replay('hook', undefined)).toEqual({ replayed: 2, over: 0 });
    expect(await notifier.admin.replay('hook', undefined)).toEqual({ replayed: 0, over: 0 });
    await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0, delivered: 3, deadLetters: 0 }));
    const told = receiver.told();
    expect(told.indexOf('episodeaaaa-1 alert.firing')).toBeLessThan(told.indexOf('episodeaaaa-2 alert.resolved'));
  });

  test('pain 1, fired but never resolved: a firing whose end was told since is not sent again, for nobody would end it', async () => {
    await addWebhook('hook');
    await gone(firing('episodeaaaa'));
    const episode = { episode: 'episodeaaaa', state: 'resolved' };
    await control.store.write([{ put: episodeKey('episodeaaaa'), json: episode }]);
    expect(await notifier.admin.replay('hook', undefined)).toEqual({ replayed: 0, over: 1 });
    expect(receiver.received).toEqual([]);
  });

  test('stay where they are, with how often they were tried, while their channel is turned off: nothing would be sent', async () => {
    await addWebhook('hook');
    await gone(firing('episodeaaaa'));
    const [before] = (await notifier.admin.letters('hook', { limit: 10 })).items;
    await notifier.admin.disable('hook');
    await expect(notifier.admin.replay('hook', undefined)).rejects.toMatchObject({
      code: 'channel-turned-off',
      message: expect.stringContaining('turned off by an operator'),
      remedy: expect.stringContaining('weir channel enable hook'),
    });
    expect((await notifier.admin.letters('hook', { limit: 10 })).items).toEqual([before]);
    await notifier.admin.enable('hook');
    expect(await notifier.admin.replay('hook', undefined)).toEqual({ replayed: 1, over: 0 });
  });

  test('that are not there are said to be none, and nothing is sent', async () => {
    await addWebhook('hook');
    await gone(firing('episodeaaaa'));
    const some = notifier.admin.replay('hook', ['episodeaaaa-1', 'episodecccc-1']);
    await expect(some).rejects.toMatchObject({
      code: 'dead-letter-unknown',
      message: expect.stringContaining('"episodecccc-1"'),
    });
    expect((await channel('hook')).deadLetters).toBe(1);
  });

  test('are bounded: the oldest go, and are counted', async () => {
    await notifier.stop();
    notifier = createNotifier({ ...control.notifierPorts, deadLettersMax: 5 });
    await notifier.start();
    await addWebhook('hook');
    await gone(...Array.from({ length: 60 }, (_, n) => firing(`episode${String(n).padStart(4, '0')}`)));
    await until(async () => expect(await channel('hook')).toMatchObject({ deadLetters: 5, dropped: 55 }));
    const { items } = await notifier.admin.letters('hook', { limit: 10 });
    expect(items.map(({ id }) => id)).toEqual([55, 56, 57, 58, 59].map((n) => `episode00${n}-1`));
  });
});

describe('an Alertmanager', () => {
  interface Posted {
    labels: { severity: string; sensor: string };
    startsAt: string;
    endsAt: string;
  }
  let posted: Posted[][];
  let url: string;
  let close: () => void;

  beforeEach(async () => {
    posted = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        posted.push(JSON.parse(Buffer.concat(chunks).toString()));
        expect(request.url).toBe('/api/v2/alerts');
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    close = () => {
      server.closeAllConnections();
      server.close();
    };
  });
  afterEach(() => close());

  const until4 = (at: number) => new Date(at + 240_000).toISOString();

  test('pain 2, resolved by itself: it is told again what fires before it forgets it, also by the next hub, and the end for five minutes', async () => {
    await notifier.admin.add('am', { kind: 'alertmanager', url });
    await enqueue('am', firing('episodeaaaa'));
    await until(() => expect(posted.length).toBeGreaterThan(0));
    expect(posted[0]).toMatchObject([{ startsAt: new Date(AT - 90_000).toISOString(), endsAt: until4(AT) }]);
    posted.length = 0;
    expect(await sleepOver()).toBeLessThanOrEqual(60_000);
    await until(() => expect(posted.at(-1)).toMatchObject([{ endsAt: until4(clock.now) }]));

    await notifier.stop();
    posted.length = 0;
    notifier = createNotifier(control.notifierPorts);
    await notifier.start();
    await until(() => expect(posted.at(-1)).toMatchObject([{ endsAt: until4(clock.now) }]));

    await enqueue('am', ended('episodeaaaa'));
    const over = { endsAt: new Date(OVER.ts).toISOString() };
    await until(async () => expect(await channel('am')).toMatchObject({ waiting: 0, delivered: 2 }));
    expect(posted.at(-1)).toMatchObject([over]);
    const endedAt = clock.now;
    while (clock.now < endedAt + 240_000) {
      posted.length = 0;
      await sleepOver();
      await until(() => expect(posted.at(-1)).toMatchObject([over]));
    }
    // Then there is nothing to be told, and nothing to wait for.
    await sleepOver();
    if (sleepers.count > 0) await sleepOver();
    await until(() => expect(sleepers.count).toBe(0));
  });

  test('hears that the alert of before is over when its severity, and so its labels, change', async () => {
    await notifier.admin.add('am', { kind: 'alertmanager', url });
    await enqueue('am', firing('episodeaaaa'));
    await until(() => expect(posted.length).toBeGreaterThan(0));
    await enqueue('am', sampleMessage([alertOf({ episode: 'episodeaaaa', seq: 2, severity: 'critical' })]));
    await until(async () => expect(await channel('am')).toMatchObject({ waiting: 0, delivered: 2 }));
    const change = posted.find((each) => each.some(({ labels }) => labels.severity === 'critical'))!;
    const ends = Object.fromEntries(
      change.map(({ labels, endsAt }) => [labels.severity, Date.parse(endsAt) - clock.now]),
    );
    expect(ends.warning).toBeLessThanOrEqual(0);
    expect(ends.critical).toBeGreaterThan(0);
  });
});

test('a siren is not silenced by the end of one alert while another one of its device goes on', async () => {
  await notifier.stop();
  const heard: string[] = [];
  notifier = createNotifier({
    ...control.notifierPorts,
    async sendCommand({ device, payload }) {
      heard.push(`${device} ${(payload as { payload: string }).payload}`);
      return { kind: 'delivered', detail: '' };
    },
  });
  await notifier.start();
  await notifier.admin.add('siren', { kind: 'command', topic: 'cmd/siren' });
  const other = sampleMessage([alertOf({ episode: 'episodecccc', device: 'gw2' })]);
  await enqueue('siren', firing('episodeaaaa'), firing('episodebbbb'), ended('episodeaaaa'), other);
  await until(async () => expect(await channel('siren')).toMatchObject({ waiting: 0, delivered: 4 }));
  expect(heard).toEqual(['gw1 on', 'gw1 on', 'gw2 on']);
  await enqueue('siren', ended('episodebbbb'));
  await until(() => expect(heard.at(-1)).toBe('gw1 off'));
});

test('secrets of channels are in no answer and not in the store in clear, and one channel cannot have those of another', async () => {
  await notifier.admin.add('pager', { kind: 'pagerduty', routingKey: 'SECRETKEY0123456789ABCDEF0123456' });
  await notifier.admin.add('mail', {
    ...{ kind: 'email', to: ['ops@example.com'], from: 'weir@example.com', smtp: 'smtp://mail.example.com' },
    ...{ user: 'weir', password: 'hunter2hunter2' },
  });
  const shown = JSON.stringify([
    await notifier.channels(),
    await notifier.admin.preview('pager'),
    await notifier.admin.preview('mail'),
  ]);
  const stored = JSON.stringify([...(await storedChannels(control.store))]);
  for (const secret of ['SECRETKEY', 'hunter2']) {
    expect(shown).not.toContain(secret);
    expect(stored).not.toContain(secret);
  }
  const known = await storedChannels(control.store);
  const mixed = { ...known.get('mail')!, sealed: known.get('pager')!.sealed! };
  await control.store.write([{ put: { table: 'channel', partition: 'all', sort: 'mail' }, json: mixed }]);
  expect(await channel('mail')).toMatchObject({ state: 'damaged' });
  await expect(notifier.admin.test('mail')).rejects.toMatchObject({ code: 'channel-damaged' });
});

test('a template that fails on a real message is passed over: people are told anyway', async () => {
  await notifier.admin.add('hook', {
    kind: 'webhook',
    url: receiver.url,
    template: '{"all":"{{#alerts}}{{summary}}{{summary}}{{/alerts}}"}',
  });
  const many = Array.from({ length: 100 }, (_, n) => alertOf({ episode: `episode${n}0000`, summary: 's'.repeat(400) }));
  await enqueue('hook', sampleMessage(many));
  await until(() => expect(receiver.told()).toEqual(['group-1 alerts.firing']));
  expect(control.lines.join()).toContain('without its template');
});

test('a hub of before kept the address and the secret of a webhook in clear: it goes on, and seals them with the next change', async () => {
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const before = { id: 'c1', kind: 'webhook', url: receiver.url, secret, createdAt: 1, delivered: 3, dropped: 0 };
  await control.store.write([{ put: { table: 'channel', partition: 'all', sort: 'old' }, json: before }]);
  await enqueue('old', firing('episodeaaaa'));
  await until(() => expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/));
  await notifier.admin.change('old', { policy: { minSeverity: 'warning' } });
  expect(JSON.stringify((await storedChannels(control.store)).get('old'))).not.toContain(secret);
  expect(await channel('old')).toMatchObject({ signed: true, policy: { minSeverity: 'warning' } });
});
