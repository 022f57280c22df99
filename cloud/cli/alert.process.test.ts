import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlertTransition } from '@weir/protocols';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { episodeChanges, raised } from '../src/alerts/episodes.ts';
import { ROUTER_OPTIONS, registerOperatorApi } from '../src/api/api.ts';
import { type Control, createControl, enrolDevice, transition, transitionEvent } from '../src/api/control.fixture.ts';
import { runWeir } from './weir.fixture.ts';

let folder: string;
let control: Control;
let url: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-alert-'));
  control = await createControl({ unsigned: true });
  await control.notifier.start();
  url = await control.listen();
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', []);
  for (const device of ['gw1', 'gw2']) await control.fleet.presence(device, true, Date.now());
  await record(
    transition({ episode: 'aaaaaaaa0001', labels: { site: 'lab' } }),
    transition({ episode: 'bbbbbbbb0002', device: 'gw2', severity: 'critical', startedAt: 1_795_000_000_002 }),
    transition({ episode: 'cccccccc0003', dryRun: true }),
    transition({ episode: 'dddddddd0004', state: 'resolved', reason: 'cleared', summary: '=1+1, "hot"' }),
  );
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

async function record(...transitions: AlertTransition[]): Promise<void> {
  const { changes } = await episodeChanges(control.store, raised('edge', transitions), Date.now());
  await control.store.write(changes);
}

const start = (...args: string[]) =>
  runWeir(['alert', ...args], { cwd: folder, env: { WEIR_URL: url, WEIR_API_KEY: control.apiKey } });
const weir = (...args: string[]) => start(...args).ended;
const listed = async (...args: string[]) => {
  const { out, err } = await weir('list', '--json', ...args);
  expect(err).toBe('');
  return (JSON.parse(out) as { episode: string }[]).map(({ episode }) => episode.slice(0, 4));
};

test.each([[['export']], [['list', '--json']]])(
  '%j | head: ends without a word when its reader has had enough',
  async (args) => {
    const { child, ended } = start(...args);
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, err: '' });
  },
);

test.each<[string[], string[]]>([
  [[], ['bbbb', 'dddd', 'aaaa']],
  [
    ['--state', 'active'],
    ['bbbb', 'aaaa'],
  ],
  [['--severity', 'critical'], ['bbbb']],
  [
    ['--device', 'gw1'],
    ['dddd', 'aaaa'],
  ],
  [
    ['--group', 'ovens', '--state', 'firing,resolved'],
    ['dddd', 'aaaa'],
  ],
  [['--label', 'site="lab"'], ['aaaa']],
  [['--label', 'alertname=~"oven.*"', '--label', 'device!=gw1'], ['bbbb']],
  [['--dry-run'], ['cccc']],
  [['--rule', 'nothing'], []],
  [['--since', '2000-01-01', '--until', '2000-01-02'], []],
  [['--limit', '1'], ['bbbb']],
])('list %j', async (args, expected) => {
  expect(await listed(...args)).toEqual(expected);
});

test('what cannot be asked for is said, with exit code 2', async () => {
  const check = async (args: string[], text: RegExp) => {
    const { code, err } = await weir(...args);
    expect([args, code, err]).toEqual([args, 2, expect.stringMatching(text)]);
  };
  await check(['list', '--state', 'burning'], /"burning" is none of pending/);
  await check(['list', '--label', 'site'], /matchers "site" are not understood/);
  await check(['list', '--since', 'soon'], /a duration such as 2h or 7d/);
  await check(['ack'], /not said which alerts/);
  await check(['ack', 'aaaaaaaa', '--rule', 'oven-hot'], /both alerts and a filter/);
  await check(['ack', 'zzzzzzzz'], /there is no alert episode "zzzzzzzz"/);
  await check(['shelve', 'aaaaaaaa', '--for', 'long'], /a duration such as 30m/);
  await check(['end', '--rule', 'oven-hot'], /end these 2 alerts\? There is no terminal to ask[\s\S]*--yes/);
  expect(await listed('--state', 'active')).toHaveLength(2);
});

test('from acknowledged over assigned, commented and shelved to ended, by whom and when; twice is once', async () => {
  expect((await weir('ack', 'aaaaaaaa', '--comment', 'on my way')).err).toBe('1 alert done\n');
  expect((await weir('ack', 'aaaaaaaa')).err).toBe('0 alerts done, 1 alert so already\n');
  expect((await weir('assign', 'aaaaaaaa', 'bbbbbbbb', 'anna')).err).toBe('2 alerts done\n');
  expect((await weir('comment', 'aaaaaaaa', 'fan 2 replaced')).code).toBe(0);
  expect((await weir('shelve', 'aaaaaaaa', '--for', '2h')).code).toBe(0);
  expect(await listed('--acked')).toEqual(['aaaa']);
  expect(await listed('--assignee', 'anna', '--unacked')).toEqual(['bbbb']);
  expect((await weir('list')).out).toMatch(/firing +warning .* acked by test, of anna/);
  const ended = await weir('end', '--rule', 'oven-hot', '--yes', '--json', '--comment', 'sensor is broken');
  expect(JSON.parse(ended.out)).toEqual([
    { episode: 'bbbbbbbb0002', outcome: 'done' },
    { episode: 'aaaaaaaa0001', outcome: 'done' },
  ]);
  expect((await weir('end', 'aaaaaaaa')).err).toContain('so already');
  const refused = await weir('shelve', 'aaaaaaaa', '--for', '1h');
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('it is over')]);
  const { out } = await weir('show', 'aaaaaaaa');
  expect(out).toMatch(/state +resolved, warning, acked by test, of anna\n/);
  expect(out).toMatch(/ended +.*\(manual, by test\)/);
  expect(out).toMatch(
    /acknowledged by test: on my way[\s\S]*assigned to anna[\s\S]*fan 2 replaced[\s\S]*shelved until[\s\S]*ended by test: sensor is broken/,
  );
});

test('history is a table that spreadsheets do not run, or all that is known of each', async () => {
  const { out: csv } = await weir('export', '--format', 'csv', '--state', 'resolved');
  const [heading, row] = csv.split('\r\n');
  expect(heading).toMatch(/^episode,state,reason,severity,/);
  expect(row).toMatch(/^dddddddd0004,resolved,cleared,warning,.*,"'=1\+1, ""hot"""$/);
  const lines = (await weir('export', '--since', '2020-01-01')).out.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { episode: 'bbbbbbbb0002', transitions: [{ seq: 1 }], log: [] },
    { episode: 'dddddddd0004' },
    { episode: 'aaaaaaaa0001', labels: { site: 'lab' } },
  ]);
});

describe('watch', () => {
  test('prints what the filter takes, and goes on where it was when the hub is back', async () => {
    const watch = start('watch', '--device', 'gw1');
    await vi.waitFor(() => expect(watch.ran.err).toContain('Watching for alerts'), 20_000);
    control.events.emit(transitionEvent(Date.now(), { episode: 'eeeeeeee0005', summary: 'first', device: 'gw2' }));
    control.events.emit(transitionEvent(Date.now(), { episode: 'aaaaaaaa0001', summary: 'second' }));
    await vi.waitFor(() => expect(watch.ran.out).toContain('second'), 20_000);
    const { port } = new URL(url);
    await control.app.close();
    await vi.waitFor(() => expect(watch.ran.err).toContain('tried again until it is back'), 20_000);
    await record(
      transition({ seq: 2, episode: 'aaaaaaaa0001', state: 'resolved', reason: 'cleared', summary: 'missed' }),
    );
    const again = Fastify({ forceCloseConnections: true, routerOptions: ROUTER_OPTIONS });
    await registerOperatorApi(again, control.options);
    await again.listen({ host: '127.0.0.1', port: Number(port) });
    await vi.waitFor(() => expect(watch.ran.err).toContain('Watching again'), 30_000);
    await vi.waitFor(() => expect(watch.ran.out).toContain('missed'), 20_000);
    control.events.emit(transitionEvent(Date.now(), { episode: 'ffffffff0006', summary: 'third' }));
    await vi.waitFor(() => expect(watch.ran.out).toContain('third'), 20_000);
    watch.child.kill('SIGINT');
    expect((await watch.ended).code).toBe(0);
    expect(watch.ran.out).not.toContain('first');
    expect(watch.ran.out.match(/second/g)).toHaveLength(1);
    await again.close();
  });

  test('a hub that is not there is said to be so at once', async () => {
    await control.app.close();
    expect(await weir('watch')).toMatchObject({ code: 1, err: expect.stringContaining('no hub answers') });
  });
});
