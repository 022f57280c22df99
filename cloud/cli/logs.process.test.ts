import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LogReport } from '@weir/protocols';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../src/api/control.fixture.ts';
import { DeviceLetters } from '../src/dead-letters/device-letters.ts';
import { DeviceItems } from '../src/gaps/device-items.ts';

const WEIR = fileURLToPath(new URL('../bin/weir.js', import.meta.url));
const AT = 1_700_000_000_000;

let control: Control;
let url: string;
beforeEach(async () => {
  control = await createControl();
  url = await control.listen();
  const { fleet } = control;
  await fleet.createGroup('ovens');
  for (const device of ['gw1', 'gw2']) await enrolDevice(fleet, device, ['ovens']);
  await fleet.presence('gw1', true, AT);
  const { hash } = await fleet.putBundle(ruleBytes({ name: 'mean' }));
  await fleet.deploy({ group: 'ovens', name: 'mean', hash, where: 'edge', config: {} });
});
afterEach(() => control.close());

function start(...args: string[]) {
  const { PATH } = process.env;
  const env = { PATH, TZ: 'UTC', WEIR_URL: url, WEIR_API_KEY: control.apiKey };
  const child = spawn(process.execPath, [WEIR, ...args], { env });
  const ran = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (ran.out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (ran.err += chunk));
  const ended = once(child, 'close').then(([code]) => ({ ...ran, code: code as number }));
  return { child, ran, ended };
}

/** The lease that the device was sent last. */
async function leaseOf(device: string): Promise<string> {
  return vi.waitFor(async () => {
    const sent = (await control.commands.list(device)).filter(({ name }) => name === 'weir.logs');
    const { payload } = await control.commands.get(device, sent.at(-1)!.id);
    expect(payload).toMatchObject({ kept: true });
    return (payload as { lease: string }).lease;
  });
}

async function told(device: string, lines: Partial<LogReport['lines'][number]>[], lease?: string): Promise<void> {
  const report: LogReport = {
    ...{ type: 'log', id: 'x', ts: AT, run: 1 },
    lines: lines.map((line, n) => ({ function: 'mean', n, level: 'info', text: `line ${n}`, ts: AT, ...line })),
    ...(lease !== undefined && { lease }),
  };
  const { store } = control;
  const context = {
    device,
    store,
    letters: new DeviceLetters(device, store),
    items: new DeviceItems(device, store),
    now: AT,
  };
  (await control.logs.reported([report], context)).committed?.();
}

test('the last lines of a function are asked of the devices that run it; one that is offline is said to be', async () => {
  const { ended } = start('fn', 'logs', 'mean');
  const lease = await leaseOf('gw1');
  await told('gw1', [{}, { level: 'error', text: 'TypeError: no mean at mean.ts:9:7', n: 4 }], lease);
  expect(await ended).toEqual({
    code: 0,
    out: [
      '2023-11-14 22:13:20  info   gw1  mean  line 0',
      '… 3 lines of mean on gw1 were left out',
      '2023-11-14 22:13:20  error  gw1  mean  TypeError: no mean at mean.ts:9:7',
      '',
    ].join('\n'),
    err: 'gw2 is offline, and never was connected: its lines come when it is back\n',
  });
});

test('--follow prints what comes until it is interrupted, as JSON one object a line', async () => {
  const { child, ran, ended } = start('device', 'logs', 'gw1', '--follow', '--json');
  await told('gw1', [{}], await leaseOf('gw1'));
  control.logs.add('gw1', [{ fold: 'cloud-fn', level: 'warn', text: 'in the hub', ts: AT }]);
  await vi.waitFor(() => expect(ran.out.split('\n').length).toBe(3), { timeout: 30_000 });
  child.kill('SIGINT');
  expect((await ended).code).toBe(0);
  expect(
    ran.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([
    { type: 'line', device: 'gw1', function: 'mean', where: 'edge', text: 'line 0' },
    { type: 'line', device: 'gw1', function: 'cloud-fn', where: 'cloud', level: 'warn', text: 'in the hub' },
  ]);
  await vi.waitFor(async () => {
    const { id } = (await control.commands.list('gw1')).at(-1)!;
    expect((await control.commands.get('gw1', id)).payload).toMatchObject({ for: 0 });
  });
});

test('a function that runs nowhere, and a device that is not there, are misuse with what to do', async () => {
  expect(await start('fn', 'logs', 'nobody').ended).toMatchObject({
    code: 2,
    err: expect.stringContaining('weir deploy status'),
  });
  expect(await start('device', 'logs', 'gw9').ended).toMatchObject({ code: 2, err: expect.stringContaining('gw9') });
});

test('a device that does not answer is said not to, and what there is is printed', async () => {
  control.logs.add('gw1', [{ fold: 'mean', level: 'info', text: 'in the hub', ts: AT }]);
  const { out, err, code } = await start('device', 'logs', 'gw1').ended;
  expect([code, out]).toEqual([0, '2023-11-14 22:13:20  info   hub/gw1  mean  in the hub\n']);
  expect(err).toContain('gw1 has not answered in 5 s');
});
