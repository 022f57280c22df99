import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl } from '../api/control.fixture.ts';
import { standingOf } from './certificates.ts';

let control: Control;
const clock = { now: 1_000_000 };

beforeEach(async () => {
  clock.now = 1_000_000;
  control = await createControl({ clock });
  await control.fleet.createGroup('ovens');
  await join('gw1', 'A', 'key A');
});
afterEach(() => control.close());

async function join(device: string, serial: string, publicKey: string): Promise<void> {
  const { secret } = await control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1, replace: true });
  await control.fleet.enrol({ secret, device, certificateSerial: serial, publicKey, now: clock.now });
}

const standings = async (...serials: string[]) => {
  const device = await control.fleet.device('gw1');
  return serials.map((serial) => standingOf(device, serial, clock.now));
};

describe('a device that is revoked', () => {
  test('has no certificate that speaks for it, whether current, next or previous', async () => {
    const renew = (shown: string, serial: string) =>
      control.fleet.renew({ device: 'gw1', shown, certificateSerial: serial, publicKey: serial, now: clock.now });
    await renew('A', 'B');
    await control.fleet.certificateUsed('gw1', 'B');
    await renew('B', 'C');
    expect(await standings('A', 'B', 'C')).toEqual(['previous', 'current', 'next']);
    expect(await control.fleet.revoke('gw1')).toEqual(['ovens']);
    expect(await standings('A', 'B', 'C')).toEqual([undefined, undefined, undefined]);
    expect((await control.fleet.device('gw1'))!.revokedAt).toBe(1_000_000);
    await expect(renew('B', 'D')).rejects.toMatchObject({ code: 'certificate-replaced' });
    await control.fleet.certificateUsed('gw1', 'C');
    expect(await standings('A', 'B', 'C', 'D')).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('comes back by joining again with another key, never with the one that was revoked', async () => {
    await control.fleet.revoke('gw1');
    clock.now += 5;
    await control.fleet.revoke('gw1');
    expect((await control.fleet.device('gw1'))!.revokedAt).toBe(1_000_000);
    await expect(join('gw1', 'B', 'key A')).rejects.toMatchObject({ code: 'key-revoked' });
    await join('gw1', 'B', 'key B');
    expect(await standings('A', 'B')).toEqual([undefined, 'current']);
    expect(await control.fleet.device('gw1')).not.toHaveProperty('revokedAt');
    await expect(join('gw1', 'C', 'key A')).rejects.toMatchObject({ code: 'key-revoked' });
  });

  test('is sent nothing, and whoever tries is told what to do', async () => {
    await control.fleet.revoke('gw1');
    const command = { name: 'reboot', payload: null, expiryMs: 60_000 };
    await expect(control.commands.make('gw1', command)).rejects.toMatchObject({
      code: 'device-revoked',
      remedy: expect.stringContaining('weir token create --group ovens --replace'),
    });
  });

  test('that is not there is told so', async () => {
    await expect(control.fleet.revoke('gw9')).rejects.toMatchObject({ code: 'device-unknown' });
    await expect(control.fleet.remove('gw9')).rejects.toMatchObject({ code: 'device-unknown' });
    await expect(control.fleet.revoke('ovens/mean')).rejects.toMatchObject({ code: 'device-unknown' });
  });
});

describe('a device that is removed', () => {
  test('is in no list and no group any more, its name is free, and a going that is told late brings nothing back', async () => {
    await control.fleet.presence('gw1', true, 1_000_001);
    await control.fleet.refused('gw1', 'malformed', 'no batch', new Uint8Array());
    await control.fleet.remove('gw1');
    await control.fleet.presence('gw1', false, 1_000_002);
    expect(await control.fleet.device('gw1')).toBeUndefined();
    expect((await control.fleet.devices()).items).toEqual([]);
    expect((await control.fleet.group('ovens'))!.devices).toEqual([]);
    expect((await control.store.partitions('device')).names).toEqual([]);
    const { secret } = await control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1 });
    await control.fleet.enrol({ secret, device: 'gw1', certificateSerial: 'Z', now: clock.now });
    expect(await standings('A', 'Z')).toEqual([undefined, 'current']);
  });
});
