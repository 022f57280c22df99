/** A hub whose data is put back to a copy, whole or one file of it: what is acknowledged from then on is stored, once. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const system = new System();
/** Every number that was sent and acknowledged; each is sent once. */
let sent = 0;

beforeAll(async () => {
  const uplink = '{ backoffCap: 1s, ackTimeoutMin: 1s }';
  system.agentConfig = system.file('agent.yaml', `uplink: ${uplink}\n`);
  await system.startAll();
});

afterAll(() => system.stop());

async function measure(messages: number): Promise<void> {
  for (let n = 0; n < messages; n++) {
    expect(await system.publish('plant/counter/n', `${sent++}`)).toMatchObject({ code: 0 });
  }
}

const stored = async () => (await system.readings('gw1', { metric: 'n' })).map(({ value }) => value);

async function storedAre(numbers: readonly number[]): Promise<void> {
  const complete = async () => {
    const found = await stored();
    if (found.length >= numbers.length) return found;
    throw new Error(`${found.length} of ${numbers.length} are stored`);
  };
  expect(await eventually('all that was acknowledged is stored', complete)).toEqual(numbers);
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const logFiles = ['log.db', 'log.db-wal'];

function copy(names: readonly string[], from: string, to: string): void {
  for (const name of names) cpSync(join(from, name), join(to, name), { recursive: true });
}

/** Of a hub that was stopped. */
function copyOfAll(name: string): string {
  const folder = join(system.folder, name);
  cpSync(system.hubData, folder, { recursive: true });
  return folder;
}

/** What is measured then goes in the lane `live`. */
const isUp = () =>
  eventually('the uplink is up', async () => {
    const { uplink } = await system.agentStatus<{ uplink: { state: string } }>();
    return uplink.state === 'up' || undefined;
  });

async function putBack(folder: string): Promise<void> {
  await system.kill('hub');
  rmSync(system.hubData, { recursive: true });
  cpSync(folder, system.hubData, { recursive: true });
  await system.startHub();
}

test('with a log that was lost, or is older than the store, nothing that comes is taken for worked off', async () => {
  await measure(5);
  await storedAre(range(0, 5));
  await system.kill('hub', 'SIGTERM');
  const old = join(system.folder, 'old');
  copy(['log.db'], system.hubData, old);
  await system.startHub();
  await measure(5);
  await storedAre(range(0, 10));

  await system.kill('hub');
  for (const name of logFiles) rmSync(join(system.hubData, name), { force: true });
  copy(['log.db'], old, system.hubData);
  await system.startHub();
  await measure(5);
  await storedAre(range(0, 15));
  expect(system.output).toContain('log.db is older than store.db');

  await system.kill('hub');
  for (const name of logFiles) rmSync(join(system.hubData, name), { force: true });
  await system.startHub();
  await measure(5);
  await storedAre(range(0, 20));
});

test('what came since a copy was made is missing, is known to be, and nothing else is', async () => {
  await system.kill('hub', 'SIGTERM');
  const old = copyOfAll('whole');
  await system.startHub();
  await isUp();
  await measure(7);
  await storedAre(range(0, 27));

  await putBack(old);
  // It is known as soon as something comes behind it in its lane.
  await eventually('the gap is known', async () => {
    await measure(1);
    const { lanes } = await system.weirJson<{ lanes: { waiting: number }[] }>('device', 'gaps', 'gw1');
    return lanes.reduce((total, { waiting }) => total + waiting, 0) === 7 || undefined;
  });
  await storedAre([...range(0, 20), ...range(27, sent)]);
});

test('a device that got another certificate since comes in with it, and with what it kept; the hub says so, and the one before ends', async () => {
  const inForce = async () => (await system.api<{ certificateSerial: string }>('/devices/gw1')).certificateSerial;
  const before = await inForce();
  const storedBefore = await stored();
  await system.kill('hub', 'SIGTERM');
  const old = copyOfAll('certificate');
  await system.startHub();
  const { code, stderr } = await system.run('weir-agent', 'renew', '--data', system.agentData);
  expect([code, stderr]).toEqual([0, '']);
  const renewed = await eventually('the new certificate is in force, and nothing of the old one is left', async () => {
    const serial = await inForce();
    const { certificate } = await system.agentStatus<{ certificate: { isChanging: boolean } }>();
    return serial === before || certificate.isChanging ? undefined : serial;
  });

  await system.kill('hub');
  const first = sent;
  await measure(3);
  await putBack(old);
  await storedAre([...storedBefore, ...range(first, first + 3)]);
  expect(await inForce()).toBe(renewed);
  expect(system.output).toContain('a later certificate of this hub');
  const { items } = await system.api<{ items: object[] }>('/audit?target=gw1/certificate');
  expect(items).toMatchObject([
    { by: { name: 'hub' }, from: '127.0.0.1', outcome: 'done', target: '/api/v1/devices/gw1/certificate' },
  ]);
  const listed = await system.weir('audit', '--target', 'gw1/certificate');
  expect(listed).toContain(`TAKE /devices/gw1/certificate {"serial":"${renewed}"`);
});
