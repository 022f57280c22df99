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
  const old = join(system.folder, 'whole');
  cpSync(system.hubData, old, { recursive: true });
  await system.startHub();
  await measure(7);
  await storedAre(range(0, 27));

  await system.kill('hub');
  rmSync(system.hubData, { recursive: true });
  cpSync(old, system.hubData, { recursive: true });
  await system.startHub();
  await measure(5);
  await storedAre([...range(0, 20), ...range(27, 32)]);
  const { lanes } = await system.weirJson<{ lanes: { waiting: number }[] }>('device', 'gaps', 'gw1');
  expect(lanes.reduce((total, { waiting }) => total + waiting, 0)).toBe(7);
});
