import { generateKeyPairSync } from 'node:crypto';
import { type SecretsAnswer, secretBinding } from '@weir/protocols';
import { sealBox } from '@weir/runtime';
import { beforeEach, expect, test } from 'vitest';
import { Secrets } from './secrets.ts';

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey };
}
const [first, second] = [keyPair(), keyPair()];
const VALUE = 'hunter2-hunter2';

/** What is on the disk, and what the hub has. */
let file: string | undefined;
let writes: string[];
let held: string[];
let hub: SecretsAnswer | Error;
let lines: string[];
let changes: number;

beforeEach(() => {
  file = undefined;
  [writes, lines, held, changes] = [[], [], [first.pem], 0];
  hub = new Error('the hub is away');
});

const answer = (revision: string, value: string, to = first, device = 'gw1'): SecretsAnswer => {
  const secret = { group: 'ovens', name: 'token', version: 1 };
  return { revision, secrets: [{ ...secret, ...sealBox(value, to.publicKey, secretBinding(device, secret)) }] };
};

async function start(): Promise<Secrets> {
  const secrets = new Secrets('gw1', {
    fetch: async () => {
      if (hub instanceof Error) throw hub;
      return hub;
    },
    keys: () => held,
    read: async () => file,
    keep: async (text) => {
      writes.push(text);
      file = text;
    },
    log: (_level, message) => void lines.push(message),
  });
  secrets.onChanged(() => void changes++);
  await secrets.start();
  return secrets;
}
const hear = (secrets: Secrets, revision?: string) =>
  secrets.hear(revision === undefined ? {} : { secrets: { revision } });

test('what is new is fetched and used at once, and is there after a start without the hub', async () => {
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  expect([secrets.value('token'), secrets.revision, changes]).toEqual([VALUE, 'one', 1]);
  await hear(secrets, 'one');
  expect(writes).toHaveLength(1);
  hub = new Error('the hub is away');
  const again = await start();
  expect([again.value('token'), again.revision]).toEqual([VALUE, 'one']);
});

test('neither file nor log has a value', async () => {
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  await secrets.reseal([first.pem, second.pem]);
  expect(JSON.stringify([writes, lines])).not.toContain(VALUE);
  expect(lines.join()).toContain('token');
});

test('while the hub is away what is here goes on, and it is asked again when it is heard of again', async () => {
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  hub = new Error('the hub is away');
  await hear(secrets, 'two');
  expect([secrets.value('token'), secrets.revision]).toEqual([VALUE, 'one']);
  hub = answer('two', 'another value');
  await hear(secrets, 'two');
  expect(secrets.value('token')).toBe('another value');
});

test('what is not wanted any more is forgotten, on the disk too', async () => {
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  await hear(secrets);
  expect([secrets.value('token'), secrets.revision]).toEqual([undefined, undefined]);
  expect((await start()).value('token')).toBeUndefined();
});

test('a power cut at any moment of a renewal leaves a key that opens them', async () => {
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  hub = new Error('the hub is away');
  const openedBy = async (...keys: string[]) => {
    held = keys;
    return (await start()).value('token');
  };
  await secrets.reseal([first.pem, second.pem]);
  // The identity is not written yet, and then it is.
  expect(await openedBy(first.pem)).toBe(VALUE);
  expect(await openedBy(first.pem, second.pem)).toBe(VALUE);
  await secrets.reseal([second.pem]);
  expect(await openedBy(first.pem, second.pem)).toBe(VALUE);
  expect(await openedBy(second.pem)).toBe(VALUE);
  expect(await openedBy(first.pem)).toBeUndefined();
});

test.each([
  ['another key', () => answer('one', VALUE, second)],
  ['another device', () => answer('one', VALUE, first, 'gw2')],
])('what is sealed for %s is not taken', async (_, given) => {
  const secrets = await start();
  hub = given();
  await hear(secrets, 'one');
  expect([secrets.value('token'), secrets.revision]).toEqual([undefined, undefined]);
  expect(lines).toEqual([expect.stringContaining('not sealed for a key of this device')]);
});

test('a file that is damaged is no end: the hub is asked', async () => {
  file = '{"revision":1';
  const secrets = await start();
  hub = answer('one', VALUE);
  await hear(secrets, 'one');
  expect(secrets.value('token')).toBe(VALUE);
});
