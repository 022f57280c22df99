import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DeadLetterReport } from '@weir/protocols';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../src/api/control.fixture.ts';
import { AT, letterReport, readingOf } from '../src/dead-letters/dead-letter.fixture.ts';
import { DeviceLetters } from '../src/dead-letters/device-letters.ts';

const WEIR = fileURLToPath(new URL('../bin/weir.js', import.meta.url));

let control: Control;
let url: string;
let letters: DeviceLetters;
beforeEach(async () => {
  control = await createControl();
  url = await control.listen();
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  letters = new DeviceLetters('gw1', control.store);
});
afterEach(() => control.close());

async function weir(...args: string[]): Promise<{ out: string; err: string; code: number }> {
  const { PATH } = process.env;
  const env = { PATH, TZ: 'UTC', WEIR_URL: url, WEIR_API_KEY: control.apiKey };
  const child = spawn(process.execPath, [WEIR, 'fn', 'dead-letters', ...args], { env });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  const [code] = await once(child, 'close');
  return { out, err, code: code as number };
}

/** What the device says, as its worker keeps it. */
async function said(change: () => Promise<void>): Promise<void> {
  await change();
  await control.store.write(letters.changes());
  letters.committed();
}

const told = (report: DeadLetterReport) => said(() => letters.told(report));

/** Waits until something is asked, and answers as the device does. */
async function answering(answer: () => Promise<void>): Promise<void> {
  await vi.waitFor(() => expect(control.nudged.length).toBeGreaterThan(0), { timeout: 30_000 });
  await answer();
}

test('a list names each with its function, device, input and error, and where it happened in the source', async () => {
  expect(await weir('list')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('no dead letters') });
  await told(letterReport(1));
  await told(letterReport(2, { function: 'rms', input: { kind: 'event', handler: 'command', at: AT, value: '1' } }));
  const { out, code } = await weir('list');
  expect(code).toBe(0);
  expect(out.split('\n').slice(0, 3)).toEqual([
    'ID                  FUNCTION    DEVICE  WHEN              INPUT       ERROR',
    expect.stringMatching(
      /^\w{9}-\w{8} {2}rms@1\.0\.0 {3}gw1 {5}2023-11-14 22:13 {2}command {5}TypeError: no mean at mean\.ts/,
    ),
    expect.stringMatching(
      /^\w{9}-\w{8} {2}mean@1\.0\.0 {2}gw1 {5}2023-11-14 22:13 {2}2 readings {2}TypeError: no mean at mean\.ts/,
    ),
  ]);
  expect(JSON.parse((await weir('list', 'rms', '--device', 'gw1', '--json')).out)).toMatchObject([{ function: 'rms' }]);
});

test('one is shown with its stack and its readings, and says what is on the device only', async () => {
  const readings = Array.from({ length: 30 }, (_, at) => readingOf(at));
  await told(letterReport(1, { input: { kind: 'readings', count: 100, readings } }));
  const [{ id }] = JSON.parse((await weir('list', '--json')).out) as [{ id: string }];
  const { out } = await weir('show', id);
  expect(out).toContain('TypeError: no mean at mean.ts:9:7\n    at x\n');
  expect(out).toContain('oven1/temperature');
  expect(out).toContain('… and 10 more: --json\n70 more are on gw1 only');
  expect((await weir('show', '0loyw3v28-1ee74576')).code).toBe(2);
});

test('nothing is run again or removed by mistake: without a choice, or with a strange one, it is told what to say', async () => {
  for (const args of [['replay'], ['remove', 'mean'], ['replay', 'mean', '--id', '0loyw3v28-1ee74576']]) {
    expect(await weir(...args)).toMatchObject({ code: 2, err: expect.stringMatching(/--id|--all/) });
  }
  expect(control.nudged).toEqual([]);
});

test('a name or a device that is not there is not taken for one without letters', async () => {
  for (const args of [
    ['list', 'maen'],
    ['replay', 'maen', '--all'],
    ['remove', 'maen', '--all'],
  ]) {
    expect(await weir(...args)).toMatchObject({ code: 2, err: expect.stringContaining('no function "maen"') });
  }
  expect(await weir('list', '--device', 'gw9')).toMatchObject({ code: 2, err: expect.stringContaining('gw9') });
  const { hash } = await control.fleet.putBundle(ruleBytes({ name: 'mean' }));
  await control.fleet.deploy({ group: 'ovens', name: 'mean', hash, where: 'edge', config: {} });
  expect(await weir('replay', 'mean', '--all')).toMatchObject({ code: 0, err: 'There are no such dead letters.\n' });
});

test('a replay tells of each letter what became of it, and fails when one is still there', async () => {
  await control.fleet.presence('gw1', true, AT);
  for (const n of [1, 2, 3]) await told(letterReport(n));
  const [ran] = await Promise.all([
    weir('replay', 'mean', '--all'),
    answering(async () => {
      await said(() => letters.gone('mean:1', 'replayed'));
      const fault = { kind: 'threw', message: 'RangeError: still', stack: '' } as const;
      await told(letterReport(2, { replays: 1, fault }));
      await said(() => letters.kept('mean:3', 'mean does not run here', 5));
    }),
  ]);
  expect(ran.out).toMatch(/mean on gw1 {2}was run again\n/);
  expect(ran.out).toMatch(/mean on gw1 {2}failed again: RangeError: still\n/);
  expect(ran.out).toMatch(/mean on gw1 {2}was not run: mean does not run here\n/);
  expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('2 of 3 are still there') });
});

test('many are run again the oldest first, over all that is asked for', async () => {
  for (let n = 1; n <= 120; n++) await told(letterReport(n));
  expect((await weir('replay', '--all')).code).toBe(0);
  const asked = await control.commands.list('gw1');
  const payloads = await Promise.all(asked.map(async ({ id }) => (await control.commands.get('gw1', id)).payload));
  const ids = (payloads as { ids: string[] }[]).flatMap((payload) => payload.ids);
  expect(ids).toEqual(Array.from({ length: 120 }, (_, at) => `mean:${at + 1}`));
});

test('letters of a device that is offline wait for it, which is told and is no failure', async () => {
  await told(letterReport(1));
  const ran = await weir('remove', '--device', 'gw1', '--all');
  expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('gw1 is offline') });
  expect(ran.out).toMatch(/mean on gw1 {2}waits\n/);
  expect((await weir('list')).out).toContain('(remove asked) ');
});

test('right after a deployment a replay waits until the device runs it: the version before could not take the letter', async () => {
  await control.fleet.presence('gw1', true, AT);
  await told(letterReport(1));
  const { hash } = await control.fleet.putBundle(ruleBytes({ name: 'mean' }));
  await control.fleet.deploy({ group: 'ovens', name: 'mean', hash, where: 'edge', config: {} });
  const early = await weir('replay', 'mean', '--all', '--timeout', '100ms');
  expect([early.code, early.err]).toEqual([
    1,
    expect.stringMatching(/mean@\S+ does not run on gw1 yet; no letter was/),
  ]);
  expect(control.nudged).toEqual([]);
  const replaying = weir('replay', 'mean', '--all');
  await control.downlink.updateShadow('gw1', 'weir', {
    state: { reported: { deployments: { mean: { kind: 'rule', version: '1', hash, state: 'running' } } } },
  });
  await answering(() => said(() => letters.gone('mean:1', 'replayed')));
  expect(await replaying).toMatchObject({ code: 0, out: expect.stringMatching(/mean on gw1 {2}was run again\n/) });
});

test('who does not wait is told that letters may meet the version before', async () => {
  await control.fleet.presence('gw1', true, AT);
  await told(letterReport(1));
  const { hash } = await control.fleet.putBundle(ruleBytes({ name: 'mean' }));
  await control.fleet.deploy({ group: 'ovens', name: 'mean', hash, where: 'edge', config: {} });
  const ran = await weir('replay', 'mean', '--all', '--no-wait');
  expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('letters may meet the version before it') });
  expect(control.nudged.length).toBeGreaterThan(0);
});
