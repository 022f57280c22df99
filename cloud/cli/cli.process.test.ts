import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { episodeChanges, raised } from '../src/alerts/episodes.ts';
import { type Control, createControl, enrolDevice, transition, transitionEvent } from '../src/api/control.fixture.ts';
import { DeviceItems } from '../src/gaps/device-items.ts';
import { startReceiver } from '../src/notify/receiver.fixture.ts';
import { createProgram } from './main.ts';
import { runWeir } from './weir.fixture.ts';

let folder: string;
let control: Control;
let url: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  writeFileSync(join(folder, 'hot.yaml'), 'name: oven-hot\nversion: "1"\nmetric: temperature\nabove: 80\nclear: 75\n');
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  control = await createControl({ unsigned: true });
  // Its hub may have the port of one before.
  rmSync(join(folder, 'keys', 'roots'), { recursive: true, force: true });
  await control.notifier.start();
  url = await control.listen();
});
afterEach(() => control.close());

const start = (args: string[], env: Record<string, string> = {}) =>
  runWeir(args, {
    cwd: folder,
    env: { WEIR_URL: url, WEIR_API_KEY: control.apiKey, WEIR_KEYS: join(folder, 'keys'), ...env },
  });

const weir = (...args: string[]) => start(args).ended;

/** An agent, as far as the shadow shows it: reports what is wanted as running, or as failed. */
async function agentReports(device: string, state = 'running', detail: object = {}): Promise<void> {
  await vi.waitFor(async () => {
    const document = (await control.downlink.getShadow(device, 'weir')) as
      | { state: { desired?: { deployments?: Record<string, { hash: string; version: string }> } } }
      | undefined;
    const wanted = Object.entries(document?.state.desired?.deployments ?? {});
    expect(wanted.length).toBeGreaterThan(0);
    const deployments = Object.fromEntries(
      wanted.map(([name, { hash, version }]) => [name, { kind: 'rule', version, hash, state, ...detail }]),
    );
    await control.downlink.updateShadow(device, 'weir', { state: { reported: { deployments } } });
  }, 10_000);
}

test('a group, a token, a rule and a look at it: the way of an operator, command by command', async () => {
  expect(await weir('group', 'create', 'ovens')).toMatchObject({ code: 0, out: '' });
  const token = await weir('token', 'create', '--group', 'ovens', '--ttl', '1h');
  expect(token.code).toBe(0);
  expect(token.out).toMatch(/^weir1\.[\w-]+\.[\w-]+\n$/);
  expect(token.err).toContain('weir-agent join https://127.0.0.1:8443 --token TOKEN');
  expect(token.err).not.toContain(token.out.trim());

  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', ['ovens']);
  await control.fleet.presence('gw1', true, Date.now());
  const applied = start(['rule', 'apply', 'hot.yaml', '--group', 'ovens']);
  await agentReports('gw1');
  const { code, out, err } = await applied.ended;
  expect([code, err]).toEqual([0, expect.stringContaining('rule oven-hot@1 is wanted on group ovens (edge)\n')]);
  expect(out).toMatch(/gw1 +running/);
  expect(out).toMatch(/gw2 +pending +offline; it gets it when it connects/);

  expect((await weir('rule', 'list')).out).toMatch(/oven-hot +1 +ovens +edge/);
  expect((await weir('fn', 'list')).err).toContain('No function is deployed');
  expect((await weir('deploy', 'status', 'oven-hot')).out).toMatch(/gw1 +oven-hot +edge +1 +running/);
  const unknown = await weir('deploy', 'status', 'oven-hod', '--json');
  expect([unknown.code, unknown.out]).toEqual([1, '']);
  expect(unknown.err).toContain('no function, rule or policy "oven-hod" is deployed to any group\n  see what is: ');
  expect((await weir('deploy', 'status', '--group', 'nobody')).err).toContain('there is no group "nobody"');
  expect((await weir('deploy', 'status', '--device', 'nobody')).err).toContain('there is no device "nobody"');
  expect((await weir('group', 'show', 'ovens')).out).toContain('2 devices: gw1, gw2');
  expect((await weir('device', 'list')).out).toMatch(/gw1 +connected +(now|\d+ s ago) +- +- +ovens/);
  expect((await weir('device', 'show', 'gw1')).out).toMatch(/oven-hot +edge +1 +running/);
  expect((await weir('group', 'remove', 'ovens', 'gw2')).code).toBe(0);
  expect((await weir('rule', 'remove', 'oven-hot', '--group', 'ovens')).code).toBe(0);
  expect((await weir('rule', 'list', '--json')).out).toBe('[]\n');
});

test('a rule that a device cannot run makes the command fail, with the device and its reason', async () => {
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await control.fleet.presence('gw1', true, Date.now());
  const applied = start(['rule', 'apply', 'hot.yaml', '--group', 'ovens']);
  const running = { version: '0', hash: 'a'.repeat(64) };
  await agentReports('gw1', 'failed', { reason: 'the bundle does not start', running });
  const { code, out, err } = await applied.ended;
  expect(code).toBe(1);
  expect(out).toMatch(/gw1 +failed +0 runs in its place; the bundle does not start/);
  expect(err).toContain('oven-hot does not run on gw1');
  expect((await weir('deploy', 'status')).out).toMatch(/gw1 +oven-hot +edge +1 +failed +0 runs in its place/);
  expect((await weir('device', 'show', 'gw1')).out).toContain(
    'oven-hot is failed: 0 runs in its place; the bundle does not start',
  );
});

test('what a device did not keep, and whether it went on from an old copy of its disk, is a command away', async () => {
  await enrolDevice(control.fleet, 'gw1', []);
  expect((await weir('device', 'gaps', 'gw1')).out).toBe('Nothing is missing.\n');
  const items = new DeviceItems('gw1', control.store);
  await items.take('live', { epoch: 'life.a', seq: 0, count: 10, at: 1 });
  await items.take('live', { epoch: 'life.a', seq: 30, count: 10, at: 2 });
  await items.take('live', { epoch: 'life.b', seq: 40, count: 10, at: 3 });
  const about = { id: 'x', ts: 3, lane: 'live', epoch: 'life.a', reason: 'bytes' } as const;
  await items.tell({ type: 'gap', ...about, seq: 10, through: 25, count: 15, from: 1000, to: 2000 }, 4);
  await items.take('live', { epoch: 'life.c', seq: 40, count: 5, at: 5 });
  await control.store.write(items.changes());

  expect((await weir('device', 'gaps')).out).toMatch(/^DEVICE +GIVEN UP +WAITING .*\ngw1 +15 +5 +0 +0\n$/);
  expect((await weir('device', 'gaps', '--state', 'unexplained')).err).toBe('Nothing is missing of any device.\n');
  const { out } = await weir('device', 'gaps', 'gw1');
  expect(out).toMatch(/live +15 +5 +0 +0\n/);
  expect(out).toMatch(/ c +live +from item 40 again, 10 were numbered twice\n/);
  expect(out).toMatch(/live +dropped +15 +10 … 24 .* bytes\n/);
  expect(out).toMatch(/live +waiting +5 +25 … 29\n/);
  const { gaps, lives } = JSON.parse((await weir('device', 'gaps', 'gw1', '--json', '--state', 'dropped')).out);
  expect([gaps.length, gaps[0].dropped, lives.current]).toEqual([1, 15, 'life']);
  const shown = (await weir('device', 'show', 'gw1')).out;
  expect(shown).toContain('missing      15 given up by the device, 5 may be on their way: weir device gaps gw1\n');
  expect(shown).toContain('restored     once from an old copy of its disk, last noticed 1970-01-01');
});

test('a device that does not answer keeps the command no longer than its timeout', async () => {
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await control.fleet.presence('gw1', true, Date.now());
  expect(await weir('rule', 'apply', 'hot.yaml', '--group', 'ovens', '--timeout', '100ms')).toMatchObject({ code: 1 });
  expect(await weir('rule', 'apply', 'hot.yaml', '--group', 'ovens', '--no-wait')).toMatchObject({ code: 0, out: '' });
});

test('alerts are listed, shown, and watched until Ctrl-C, which is no failure', async () => {
  const { changes } = await episodeChanges(control.store, raised('edge', [transition()]), 1);
  await control.store.write(changes);
  expect((await weir('alert', 'list')).out).toMatch(/firing +warning .*gw1\/oven1\/tempe.* is over 80 +episode0\n/);
  const { episode, ...rest } = transition();
  const long = [`${episode.slice(0, 8)}zzz`, 'other0123456789abcdef'];
  for (const id of long) {
    const { changes } = await episodeChanges(control.store, raised('edge', [{ ...rest, episode: id }]), 1);
    await control.store.write(changes);
  }
  expect((await weir('alert', 'show', 'other012')).out).toContain('other0123456789abcdef');
  const several = await weir('alert', 'show', episode.slice(0, 8));
  expect([several.code, several.err]).toEqual([2, expect.stringContaining('several alert episodes begin with')]);
  expect((await weir('alert', 'list', '--state', 'resolved')).err).toContain('No alert is resolved.');
  expect((await weir('alert', 'show', 'episode0001')).out).toMatch(
    /rule oven-hot@1 \(edge\)[\s\S]*1 +firing +.*81\.5 +threshold/,
  );

  const watch = start(['alert', 'watch']);
  await vi.waitFor(() => expect(watch.ran.err).toContain('Watching'), 10_000);
  await vi.waitFor(() => {
    control.events.emit(transitionEvent(1));
    expect(watch.ran.out).toContain('firing    warning   gw1/oven1/temperature  oven1 temperature 81.5 is over 80');
  }, 10_000);
  watch.child.kill('SIGINT');
  expect((await watch.ended).code).toBe(0);
});

test('a channel is added, tested, listed and removed; its secret goes to standard output alone, once', async () => {
  const receiver = await startReceiver();
  const added = await weir('channel', 'add', 'hook', '--webhook', receiver.url);
  expect(added.out).toMatch(/^whsec_\S+\n$/);
  expect(added.err).not.toContain(added.out.trim());
  expect(await weir('channel', 'test', 'hook')).toMatchObject({ code: 0, err: 'The test arrived: HTTP 200\n' });
  expect(receiver.told()).toEqual([
    expect.stringMatching(/^test\w+-1 weir\.test$/),
    expect.stringMatching(/^test\w+-2 weir\.test$/),
  ]);
  const dry = await weir('channel', 'test', 'hook', '--dry');
  expect(dry).toMatchObject({ code: 0, out: expect.stringContaining('"type": "weir.test"') });
  expect(dry.out).not.toContain('/hook');
  const policy = ['--min-severity', 'warning', '--match', 'device=gw1', '--group-by', 'device', '--rate', '10/1m'];
  expect((await weir('channel', 'set', 'hook', ...policy, '--quiet', '22:00-06:00')).code).toBe(0);
  expect((await weir('channel', 'set', 'hook', '--quiet-zone', 'Europe/Vienna', '--unset', 'rate')).code).toBe(0);
  expect(JSON.parse((await weir('channel', 'show', 'hook', '--json')).out)).toMatchObject({
    policy: {
      ...{ minSeverity: 'warning', match: ['device=gw1'], groupBy: ['device'] },
      quietHours: { times: ['22:00-06:00'], zone: 'Europe/Vienna' },
    },
    secrets: ['url', 'signingSecrets'],
  });
  const rotated = await weir('channel', 'set', 'hook', '--rotate-secret');
  expect(rotated.out).toMatch(/^whsec_\S+\n$/);
  expect(rotated.out).not.toBe(added.out);
  expect(receiver.received).toHaveLength(2);
  await receiver.close();
  expect(await weir('channel', 'test', 'hook')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ECONNREFUSED'),
  });
  expect((await weir('channel', 'add', 'here', '--terminal')).code).toBe(0);
  const listed = JSON.parse((await weir('channel', 'list', '--json')).out) as { name: string }[];
  expect(listed.map(({ name }) => name)).toEqual(['here', 'hook']);
  expect((await weir('channel', 'remove', 'here')).code).toBe(0);
});

describe('misuse ends with 2 and says what to do', () => {
  test.each([
    [['bogus'], "unknown command 'bogus'"],
    [['device', 'show'], "missing required argument 'device'"],
    [['token', 'create'], '--group'],
    [['token', 'create', '--group', 'none'], 'weir group create none'],
    [['token', 'create', '--group', 'none', '--uses', 'two'], 'a whole number is wanted'],
    [['device', 'show', '../groups'], 'letters, digits'],
    [['device', 'show', 'gw9'], 'weir device list'],
    [['rule', 'apply', 'none.yaml', '--group', 'g'], 'none.yaml cannot be read'],
    [['rule', 'apply', 'hot.yaml', '--group', 'none'], 'weir group create none'],
    [['rule', 'apply', 'hot.yaml', '--group', 'none', '--where', 'moon'], 'one of edge, cloud is wanted'],
    [['rule', 'apply', 'hot.yaml', '--group', 'g', '--timeout', 'soon'], 'is no duration'],
    [['hub', '--data', 'never-made', '--api-port', '99999'], 'a port from 1 to 65535 is wanted'],
    [['fn', 'deploy', '/nope.ts', '--group', 'g'], 'there is no file /nope.ts'],
    [['fn', 'deploy', '/nope.ts', '--group', 'g', '--config', '__proto__=1'], 'cannot be named "__proto__"'],
    [
      ['fn', 'deploy', '/nope.ts', '--group', 'g', '--config', 'a={"b":[{"__proto__":1}]}'],
      'cannot be named "__proto__"',
    ],
    [['group', 'create', 'a/b'], 'weir: name: '],
    [['login', 'hub.example.com', '--key', 'x'], 'is no address of a hub'],
    [['login', 'https://hub.example.com', '--key', 'x', '--ca-sha256', 'abc'], 'is no SHA-256'],
    [['login', 'https://hub.example.com', '--key', 'x', '--ca', '/nope.pem'], '/nope.pem cannot be read'],
    [['login', 'http://hub.example.com', '--key', 'x', '--ca-sha256', 'abc'], '--ca-sha256 is for https'],
    [['api-key', 'create', 'anna'], '--role'],
    [['api-key', 'create', 'anna', '--role', 'king'], 'metrics, viewer, operator, admin'],
    [['api-key', 'create', 'hub', '--role', 'viewer'], 'no API key is named'],
    [['api-key', 'create', 'anna', '--role', 'viewer', '--ttl', 'soon'], 'ttl: '],
    [['api-key', 'revoke', 'nobody'], 'weir api-key list'],
    [['audit', '--since', 'soon'], 'since: '],
    [['channel', 'add', 'c'], '--webhook URL'],
    [['channel', 'add', 'c', '--webhook', 'ftp://x'], 'http'],
    [['channel', 'add', 'c', '--terminal', '--slack', 'https://x'], 'where to?'],
    [['channel', 'add', 'c', '--email', 'nobody', '--from', 'a@b.example', '--smtp', 'smtp://x'], 'to.0: an address'],
    [['channel', 'add', 'c', '--terminal', '--rate', 'often'], 'rate'],
    [['channel', 'add', 'c', '--terminal', '--template', '/nope.txt'], '/nope.txt cannot be read'],
    [['channel', 'set', 'none', '--rate', '5/1m'], 'weir channel list'],
    [['channel', 'replay', 'none'], '--all'],
    [['alert', 'list', '--state', 'burning'], 'pending, firing, recovering'],
    [['alert', 'list', '--limit', '0'], 'limit: 0 is too little: at least 1'],
    [['alert', 'list', '--device', 'gw9'], 'there is no device "gw9"'],
    [['alert', 'list', '--group', 'none'], 'there is no group "none"'],
    [['--hub-data', 'nowhere', 'device', 'list'], 'nowhere/cli.json is not there'],
  ])('weir %j', async (args, words) => {
    const { code, out, err } = await weir(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(words);
    expect(err).not.toMatch(/\n\s+at /);
    expect(existsSync(join(folder, 'never-made'))).toBe(false);
  });

  test('a key that is wrong', async () => {
    const { code, err } = await start(['device', 'list'], { WEIR_API_KEY: 'nonsense' }).ended;
    expect([code, err]).toEqual([2, expect.stringContaining('cli.json')]);
  });
});

test('no hub there is a failure that says where it was looked for', async () => {
  const gone = await startReceiver();
  await gone.close();
  const { origin } = new URL(gone.url);
  const { code, err } = await start(['device', 'list'], { WEIR_URL: origin }).ended;
  expect([code, err]).toEqual([1, `weir: no hub answers at ${origin}: ECONNREFUSED\n  start one with: weir hub\n`]);
});

test('a port that HTTP is never spoken on is said to be one, not "bad"', async () => {
  const { code, err } = await start(['device', 'list'], { WEIR_URL: 'http://127.0.0.1:1' }).ended;
  expect([code, err]).toEqual([1, expect.stringContaining('HTTP is never spoken on this port')]);
});

test('a name that nothing bears is not taken for an empty fleet', async () => {
  expect((await weir('deploy', 'status', 'nope')).err).toContain('no function, rule or policy "nope" is deployed');
  expect((await weir('deploy', 'status')).err).toBe('Nothing is deployed to a device.\n');
});

test('a summary can be read in a list of alerts, whose ids are cut to what tells them apart', async () => {
  const summary = 'oven1 is at 81.4 Cel, over 80';
  for (const begin of ['aaaaaaaa', 'bbbbbbbb']) {
    const alert = transition({ episode: begin.padEnd(32, '0'), summary });
    const { changes } = await episodeChanges(control.store, raised('edge', [alert]), 1);
    await control.store.write(changes);
  }
  const { out } = await weir('alert', 'list');
  expect(out).toContain(summary);
  expect(out).toMatch(/ aaaaaaaa\n/);
  expect((await weir('alert', 'show', 'bbbbbbbb')).code).toBe(0);
});

test('the hub is found by its data folder too', async () => {
  writeFileSync(join(folder, 'cli.json'), JSON.stringify({ url, apiKey: control.apiKey }));
  const elsewhere = { WEIR_URL: 'http://127.0.0.1:9' };
  expect(await start(['--hub-data', folder, 'device', 'list', '--json'], elsewhere).ended).toMatchObject({
    code: 0,
    out: '[]\n',
  });
});

test('every command explains itself, within 100 columns, and every listing has --json', () => {
  const pages: string[] = [];
  const visit = (command: ReturnType<typeof createProgram>) => {
    pages.push(command.helpInformation());
    expect(command.description(), command.name()).toMatch(/\w+/);
    if (command.name() === 'list') expect(command.options.map(({ long }) => long)).toContain('--json');
    command.commands.forEach(visit);
  };
  visit(createProgram());
  expect(pages.length).toBeGreaterThan(25);
  for (const line of pages.join('\n').split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
});
