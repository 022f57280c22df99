import { createHmac } from 'node:crypto';
import type { AlertTransition } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { episodeChanges, raised } from '../alerts/episodes.ts';
import { type Control, createControl, transition } from '../api/control.fixture.ts';
import { createNotifier } from './notify.ts';
import type { ChannelPolicyInput } from './plan/channel-policy.ts';
import { type Receiver, startReceiver } from './receiver.fixture.ts';
import { Sleepers } from './sleepers.fixture.ts';

let control: Control;
let receiver: Receiver;
const clock = { now: 0 };
let sleepers: Sleepers;

beforeEach(async () => {
  clock.now = 1_795_000_000_000;
  sleepers = new Sleepers();
  receiver = await startReceiver();
  control = await createControl({ sleep: sleepers.sleep, clock });
  await control.notifier.start();
});
afterEach(async () => {
  await control.close();
  await receiver.close();
});

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 100_000, interval: 20 });
const firing = transition({ seq: 1 });
const resolved = transition({ seq: 2, state: 'resolved', reason: 'cleared', value: 70 });

async function commit(...transitions: AlertTransition[]): Promise<void> {
  const { changes } = await episodeChanges(control.store, raised('edge', transitions), clock.now);
  await control.store.write(changes);
  control.notifier.wake();
}

async function channel(name: string) {
  return (await control.notifier.channels()).find((each) => each.name === name)!;
}

/** Lets the one who sleeps go on, at the time it wants. @returns how long it wanted to sleep */
async function sleepOver(): Promise<number> {
  await until(() => expect(sleepers.count).toBe(1));
  const { ms, wake } = sleepers.take();
  clock.now += ms;
  wake();
  return ms;
}

const addWebhook = (name: string, url = receiver.url, policy: ChannelPolicyInput = {}) =>
  control.notifier.admin.add(name, { kind: 'webhook', url, signed: true, policy });
/** More at once than people want. */
const MANY = { rate: '1000/1s' };

test('a webhook gets the firing, then the end, each with its key, and a signature that any verifier accepts', async () => {
  const { secret } = await addWebhook('hook');
  expect(secret).toMatch(/^whsec_/);
  await commit(firing);
  await commit(resolved);
  await until(() => expect(receiver.told()).toEqual(['episode0001-1 alert.firing', 'episode0001-2 alert.resolved']));
  const { headers, body } = receiver.received[0]!;
  expect(JSON.parse(body)).toEqual({
    type: 'alert.firing',
    timestamp: new Date(firing.ts).toISOString(),
    data: { ...firing, origin: 'edge' },
  });
  expect(headers['idempotency-key']).toBe('episode0001-1');
  const key = Buffer.from(secret!.slice('whsec_'.length), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  expect(headers['webhook-timestamp']).toBe(String(clock.now / 1000));
  await until(async () => expect(await channel('hook')).toMatchObject({ state: 'ok', waiting: 0, delivered: 2 }));
  expect(JSON.stringify(await control.notifier.channels())).not.toContain(secret!.slice(6));
});

test('semantics 1, episode not message; pain 8, duplicates: what fails is tried again soon and then at least every 30 s, always under the same key and with the same body', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(503).end();
  await commit(firing);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) waits.push(await sleepOver());
  const bounds = [2, 10, 30, 30, 30, 30, 30].map((s) => s * 1000);
  for (const [i, ms] of waits.entries()) {
    expect(ms, `wait ${i}`).toBeGreaterThanOrEqual(100);
    expect(ms, `wait ${i}`).toBeLessThanOrEqual(bounds[i]!);
  }
  await until(async () =>
    expect(await channel('hook')).toMatchObject({ state: 'failing', lastError: 'HTTP 503', waiting: 1 }),
  );
  await until(() => expect(sleepers.count).toBe(1));
  receiver.answer = (response) => response.end();
  await sleepOver();
  await until(async () => expect(await channel('hook')).toMatchObject({ state: 'ok', waiting: 0, delivered: 1 }));
  expect(new Set(receiver.told())).toEqual(new Set(['episode0001-1 alert.firing']));
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
});

const nameOf = (n: number) => `episode${String(n).padStart(4, '0')}`;
const fresh = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => transition({ episode: nameOf(from + n), ts: clock.now }));

test('a receiver back from an outage gets all that waits after half a minute at most, the oldest first', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(503).end();
  await commit(...fresh(0, 12));
  let downMs = 0;
  while (downMs < 60_000) downMs += await sleepOver();
  await until(() => expect(sleepers.count).toBe(1));
  await commit(...fresh(12, 24));
  await until(() => expect(sleepers.count).toBe(1));
  receiver.received.length = 0;
  receiver.answer = (response) => response.end();
  expect(await sleepOver()).toBeLessThanOrEqual(30_000);
  await until(async () => expect(await channel('hook')).toMatchObject({ state: 'ok', waiting: 0, delivered: 24 }));
  const told = receiver.told().map((line) => line.split('-')[0]);
  expect(told[0]).toBe(nameOf(0));
  expect(told.toSorted()).toEqual(fresh(0, 24).map(({ episode }) => episode));
  expect(sleepers.count).toBe(0);
});

test('a round of attempts that all fail is one failure, so that a receiver that restarts waits two seconds at most', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(503).end();
  await commit(...fresh(0, 8));
  expect(await sleepOver()).toBeLessThanOrEqual(2_000);
  expect(await sleepOver()).toBeLessThanOrEqual(10_000);
});

test('a message that breaks its receiver every time keeps no other: a fresh alert passes with the next probe', async () => {
  await addWebhook('hook');
  receiver.answer = (response, { body }) => response.writeHead(body.includes(nameOf(0)) ? 500 : 200).end();
  await commit(...fresh(0, 1));
  for (let n = 0; n < 5; n++) await sleepOver();
  await until(() => expect(sleepers.count).toBe(1));
  await commit(...fresh(1, 9));
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 9 }));
  await sleepOver();
  await until(async () => expect(await channel('hook')).toMatchObject({ delivered: 8, waiting: 1 }));
});

test('more messages than one page, refused every time, hold back none that the receiver would take', async () => {
  await addWebhook('hook', receiver.url, MANY);
  receiver.answer = (response, { body }) => response.writeHead(body.includes('episode0') ? 422 : 200).end();
  for (let n = 0; n < 520; n += 20) await commit(...fresh(n, n + 20));
  await until(async () => expect((await channel('hook')).lastError).toBe('HTTP 422'));
  await commit(transition({ episode: 'episode9999', severity: 'critical' }));
  await until(() => expect(receiver.told()).toContain('episode9999-1 alert.firing'));
  await until(() => expect(new Set(receiver.told()).size).toBe(521));
  await until(async () => expect(await channel('hook')).toMatchObject({ delivered: 1, waiting: 520 }));
});

test('a receiver that says when to come back is obeyed', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(429, { 'retry-after': '90' }).end();
  await commit(firing);
  expect(await sleepOver()).toBeGreaterThanOrEqual(90_000);
});

test.each([
  ['a redirect', 302, 'HTTP 302: it sends elsewhere, and no redirect is followed'],
  ['not found', 404, 'HTTP 404'],
  ['an error', 500, 'HTTP 500'],
])('%s is not taken for success, and is not followed', async (_what, status, lastError) => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(status, { location: receiver.url }).end();
  await commit(firing);
  await sleepOver();
  await until(async () => expect(await channel('hook')).toMatchObject({ state: 'failing', lastError }));
  expect(receiver.received.length).toBeLessThanOrEqual(2);
});

test('410 disables the channel, puts aside what waits, and a test that arrives enables it', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(410).end();
  await commit(firing, transition({ episode: 'episode0002' }));
  await until(async () =>
    expect(await channel('hook')).toMatchObject({ state: 'disabled', waiting: 0, dropped: 0, deadLetters: 2 }),
  );
  await commit(transition({ episode: 'episode0003' }));
  expect(await control.notifier.admin.test('hook')).toMatchObject({ delivered: false, detail: 'HTTP 410' });
  receiver.answer = (response) => response.end();
  expect(await control.notifier.admin.test('hook')).toMatchObject({ delivered: true, detail: 'HTTP 200' });
  await commit(transition({ episode: 'episode0004' }));
  await until(() => expect(receiver.told().at(-1)).toBe('episode0004-1 alert.firing'));
  expect(receiver.told().join()).not.toContain('episode0003');
});

test('a dead receiver delays no other', async () => {
  await addWebhook('dead', 'http://127.0.0.1:1/');
  await addWebhook('hook');
  await commit(firing, resolved);
  await until(() => expect(receiver.told()).toEqual(['episode0001-1 alert.firing', 'episode0001-2 alert.resolved']));
  expect(await channel('dead')).toMatchObject({ waiting: 2 });
});

test('a message that is refused every time delays no other, and the end of its episode waits for it', async () => {
  await addWebhook('hook');
  receiver.answer = (response, { body }) => response.writeHead(body.includes('episode0001') ? 400 : 200).end();
  await commit(firing, resolved);
  for (let i = 2; i < 9; i++) await commit(transition({ episode: `episode000${i}` }));
  await until(async () => expect(await channel('hook')).toMatchObject({ delivered: 7, waiting: 2 }));
  expect(receiver.told()).not.toContain('episode0001-2 alert.resolved');
});

test('what no receiver takes for three days is a dead letter, counted and logged, and is sent again under its key when somebody says so', async () => {
  await addWebhook('hook');
  receiver.answer = (response) => response.writeHead(500).end();
  await commit(firing);
  await sleepOver();
  await until(() => expect(sleepers.count).toBe(1));
  clock.now += 3 * 86_400_000;
  sleepers.take().wake();
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0, dropped: 0, deadLetters: 1 }));
  expect(control.lines.at(-1)).toContain('given up');
  const { items } = await control.notifier.admin.letters('hook', { limit: 10 });
  expect(items).toMatchObject([{ id: 'episode0001-1', reason: 'given-up', detail: 'HTTP 500', status: 'firing' }]);
  receiver.answer = (response) => response.end();
  receiver.received.length = 0;
  expect(await control.notifier.admin.replay('hook', undefined)).toEqual({ replayed: 1, over: 0 });
  await until(() => expect(receiver.told()).toEqual(['episode0001-1 alert.firing']));
  await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0, delivered: 1, deadLetters: 0 }));
});

test('what was committed when the hub died is delivered when it is back, once for each channel', async () => {
  await addWebhook('hook');
  await control.notifier.stop();
  await commit(firing, resolved);
  expect(receiver.received).toEqual([]);
  const again = createNotifier({ ...control.notifierPorts, log: () => {} });
  await again.start();
  await until(() => expect(receiver.told()).toEqual(['episode0001-1 alert.firing', 'episode0001-2 alert.resolved']));
  await again.stop();
});

test('a backlog of alerts that began and ended is told in the order in which they did', async () => {
  await control.notifier.admin.add('here', { kind: 'terminal' });
  const backlog = [0, 1, 2, 3].flatMap((n) => [
    { ...firing, episode: nameOf(n) },
    { ...resolved, episode: nameOf(n) },
  ]);
  await commit(...backlog);
  const told = () =>
    control.seen.flatMap((event) =>
      event.type === 'notification' && event.transition !== undefined
        ? [`${event.transition.episode} ${event.transition.state}`]
        : [],
    );
  await until(() => expect(told()).toEqual(backlog.map(({ episode, state }) => `${episode} ${state}`)));
});

test('three hundred alerts reach three channels, each exactly once and in order', async () => {
  await addWebhook('hook', receiver.url, MANY);
  await control.notifier.admin.add('here', { kind: 'terminal', policy: MANY });
  await control.notifier.admin.add('there', { kind: 'terminal', policy: MANY });
  for (let i = 0; i < 300; i += 15) {
    const some = Array.from({ length: 15 }, (_, n) => `episode${String(i + n).padStart(4, '0')}`);
    await commit(
      ...some.flatMap((episode) => [
        { ...firing, episode },
        { ...resolved, episode },
      ]),
    );
  }
  await until(() => expect(receiver.received).toHaveLength(600));
  const told = receiver.told();
  expect(new Set(told).size).toBe(600);
  for (let i = 0; i < 300; i++) {
    const id = `episode${String(i).padStart(4, '0')}`;
    expect(told.indexOf(`${id}-1 alert.firing`)).toBeLessThan(told.indexOf(`${id}-2 alert.resolved`));
  }
  const lines = control.seen.flatMap((event) => (event.type === 'notification' ? [event.channel] : []));
  expect(lines.filter((name) => name === 'here')).toHaveLength(600);
  expect(lines.filter((name) => name === 'there')).toHaveLength(600);
});

describe('a channel', () => {
  test('of kind terminal is one calm line in the events and in the log', async () => {
    await control.notifier.admin.add('here', { kind: 'terminal' });
    await commit({ ...firing, summary: `${firing.summary.slice(0, -3)}\u001b\n80` });
    const text = 'firing    warning   gw1/oven1/temperature  oven1 temperature 81.5 is over  80';
    await until(() => expect(control.lines).toEqual([text]));
    expect(control.seen).toMatchObject([{ type: 'notification', channel: 'here', text, origin: 'edge' }]);
  });

  test('that is removed gets nothing more, also not under its old name', async () => {
    await addWebhook('hook', 'http://127.0.0.1:1/');
    await commit(firing);
    await until(() => expect(sleepers.count).toBe(1));
    await control.notifier.admin.remove('hook', { force: true });
    await addWebhook('hook');
    await commit(resolved, transition({ episode: 'episode0002' }));
    await until(() => expect(receiver.told()).toEqual(['episode0002-1 alert.firing']));
    await until(async () => expect(await channel('hook')).toMatchObject({ waiting: 0 }));
  });

  test('that was removed is called by its name where it is said what became of an alert, not by an id', async () => {
    await addWebhook('hook', 'http://127.0.0.1:1/');
    await commit(firing);
    await until(() => expect(sleepers.count).toBe(1));
    const { admin, planning } = control.notifier;
    await admin.remove('hook', { force: true });
    await commit(resolved);
    await until(async () =>
      expect(await planning.log(firing.episode)).toContainEqual(
        expect.objectContaining({ channel: 'hook', why: 'channel-gone', detail: 'the channel was removed' }),
      ),
    );
  });

  test('that was told of what still fires is not removed by the way: its receiver would wait for the end for ever', async () => {
    await addWebhook('hook');
    await commit(firing);
    await until(() => expect(receiver.told()).toHaveLength(1));
    const { admin } = control.notifier;
    await expect(admin.remove('hook')).rejects.toMatchObject({
      code: 'channel-told',
      message: expect.stringContaining('an alert that is not over'),
    });
    await commit(resolved);
    await until(() => expect(receiver.told()).toHaveLength(2));
    await until(() => admin.remove('hook'));
    await addWebhook('hook');
    await commit(transition({ episode: 'episode0002' }));
    await until(() => expect(receiver.told()).toHaveLength(3));
    await admin.remove('hook', { force: true });
    expect(await control.notifier.channels()).toEqual([]);
  });

  test.each([
    ['to a protocol that is not http', 'ftp://example.com/', 'not http'],
    ['to a text that is no URL', 'example.com', 'no URL'],
    ['with a password in its URL, which would be shown', 'http://user:secret@example.com/', 'password'],
    ['to an endless URL', `http://example.com/${'x'.repeat(3000)}`, 'characters'],
  ])('%s is refused', async (_what, url, why) => {
    await expect(addWebhook('bad', url)).rejects.toMatchObject({
      code: 'channel-url-invalid',
      message: expect.stringContaining(why),
    });
  });

  test('shows the host of its URL and not its path, which may be a secret', async () => {
    await addWebhook('hook', 'https://hooks.example.com/services/T00/B00/XXXX?token=1');
    expect((await channel('hook')).url).toBe('https://hooks.example.com/…');
  });

  test('of a name that is taken, or that does not exist, is refused', async () => {
    await addWebhook('hook');
    await expect(addWebhook('hook')).rejects.toMatchObject({ code: 'channel-exists' });
    await expect(control.notifier.admin.test('none')).rejects.toMatchObject({ code: 'channel-unknown' });
  });
});

test('a hub that stops leaves at once, and what was under way is delivered by the next', async () => {
  await addWebhook('hook');
  receiver.answer = () => {};
  await commit(firing);
  await until(() => expect(receiver.received).toHaveLength(1));
  await control.notifier.stop();
  expect(await channel('hook')).toMatchObject({ waiting: 1, delivered: 0, dropped: 0 });
});
