import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl } from '../api/control.fixture.ts';
import { OVERLAP_MS, standingOf } from './certificates.ts';

let control: Control;
const clock = { now: 1_000_000 };

beforeEach(async () => {
  clock.now = 1_000_000;
  control = await createControl({ clock });
  await control.fleet.createGroup('ovens');
  await join('A');
});
afterEach(() => control.close());

const keyOf = (serial: string) => `key-of-${serial}`;

async function join(serial: string): Promise<void> {
  const { secret } = await control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1, replace: true });
  const certificate = { certificateSerial: serial, publicKey: keyOf(serial) };
  await control.fleet.enrol({ secret, device: 'gw1', ...certificate, now: clock.now });
}

const renew = (shown: string, serial: string) =>
  control.fleet.renew({
    ...{ device: 'gw1', shown, certificateSerial: serial, publicKey: keyOf(serial) },
    now: clock.now,
  });
const use = (serial: string) => control.fleet.certificateUsed('gw1', serial);
const standings = async (...serials: string[]) => {
  const device = await control.fleet.device('gw1');
  return serials.map((serial) => standingOf(device, serial, clock.now));
};

test('a renewed certificate counts beside the old one until it is used, and for a while after that', async () => {
  await renew('A', 'B');
  expect(await standings('A', 'B', 'C')).toEqual(['current', 'next', undefined]);
  await use('B');
  expect(await standings('A', 'B')).toEqual(['previous', 'current']);
  clock.now += OVERLAP_MS - 1;
  expect(await standings('A', 'B')).toEqual(['previous', 'current']);
  clock.now += 1;
  expect(await standings('A', 'B')).toEqual([undefined, 'current']);
});

test('a device that lost the answer has its old certificate still, and asks again', async () => {
  await renew('A', 'B');
  await renew('A', 'C');
  expect(await standings('A', 'B', 'C')).toEqual(['current', undefined, 'next']);
  await use('C');
  await use('B');
  expect(await standings('A', 'B', 'C')).toEqual(['previous', undefined, 'current']);
});

test('with a certificate that was replaced no other is got', async () => {
  await renew('A', 'B');
  await use('B');
  await expect(renew('A', 'C')).rejects.toMatchObject({ code: 'certificate-replaced' });
  expect(await standings('A', 'B', 'C')).toEqual(['previous', 'current', undefined]);
});

test('of a device that joins again none of them counts any more', async () => {
  await renew('A', 'B');
  await use('B');
  await renew('B', 'C');
  await join('D');
  expect(await standings('A', 'B', 'C', 'D')).toEqual([undefined, undefined, undefined, 'current']);
});

test('of two renewals at once one counts in the end, and the old one until it is used', async () => {
  await Promise.all([renew('A', 'B'), renew('A', 'C')]);
  const [a, b, c] = await standings('A', 'B', 'C');
  expect(a).toBe('current');
  expect([b, c].toSorted()).toEqual(['next', undefined]);
});

test('the key of the record is always that of the certificate in force', async () => {
  const key = async () => (await control.fleet.device('gw1'))!.publicKey;
  expect(await key()).toBe(keyOf('A'));
  await renew('A', 'B');
  expect(await key()).toBe(keyOf('A'));
  expect((await control.fleet.device('gw1'))!.renewal!.next!.publicKey).toBe(keyOf('B'));
  await use('B');
  expect(await key()).toBe(keyOf('B'));
  await join('C');
  expect(await key()).toBe(keyOf('C'));
});
